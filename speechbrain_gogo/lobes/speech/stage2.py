"""Stage II of GogoSpeech: the backbone to all other tokens (Section 3.2, Eq. 7).

Ids, sequences and loss are here; generation is in generation.py, the Llama itself
in llama.py, the vocabulary in token_stage.py.

Letters: B batch, N groups, K = n_q tokens per group, P predicted tokens, C codes.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import check_positions, length_mask
from speechbrain_gogo.lobes.speech.decoding.decoding_state import DecodingState
from speechbrain_gogo.lobes.speech.token_stage import TokenStage
from speechbrain_gogo.lobes.tokens.granular import keep_prefix
from speechbrain_gogo.lobes.tokens.patterns import flatten


class DetailLM(TokenStage):
    """Stage II: [start][all tokens, group by group], Eq. 7.

    A skipped token is m in the context, so a group always takes n_q positions.
    ``offset`` is the id of the first code, ``mask_id`` (m) and ``start_id``
    follow the last one; ``output_slice`` are the ids that can be generated, the
    codes.

    Arguments
    ---------
    llama : transformers.LlamaForCausalLM
        Llama with a vocabulary of ``text_size + codebook_size + 2``.
    text_size : int
        Text ids of a pretrained Llama, which this stage does not use.
    codebook_size : int
        Codes C.
    num_tokens : int
        Tokens per group, n_q.
    backbone_size : int
        Number of given tokens of each group, from the first, b.
    max_positions : int
        Longest sequence.
    full_share : float
        Share of the utterances that keep all tokens in training. Each group
        of the others keeps a random number of them, b to n_q, as with the
        allocator's budgets at inference.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> lm = DetailLM(speech_llama(80 + 2, 16, 2, 2, 32), codebook_size=80)
    >>> tokens = torch.randint(80, (2, 4, 10))
    >>> out = lm.eval()(tokens, torch.tensor([1.0, 0.5]))
    >>> out["nll"].shape  # 4 * 7 + 2 * 7
    torch.Size([42])
    """

    stage = 2

    def __init__(
        self,
        llama,
        text_size=0,
        codebook_size=12800,
        num_tokens=10,
        backbone_size=3,
        max_positions=1024,
        full_share=0.5,
    ):
        super().__init__(
            llama, text_size, codebook_size, backbone_size, max_positions
        )
        self.num_tokens = self.group_positions = num_tokens
        self.full_share = full_share
        self.mask_id = text_size + codebook_size
        self.start_id = self.mask_id + 1
        self.output_slice = slice(self.offset, self.mask_id)

    def sequence_length(self, num_groups):
        """Positions of an utterance, start included."""
        return 1 + num_groups * self.num_tokens

    def start(self, prompt, prompt_lens, sampler):
        """The initial state of generation.

        Arguments
        ---------
        prompt, prompt_lens : torch.Tensor
            Tokens int64 [B, N, K], N may be 0, and relative lengths.
        sampler : Sampler
            Sampler with one seed for each utterance.

        Returns
        -------
        DecodingState
        """
        valid = length_mask(prompt_lens, prompt.shape[1])  # [B, N]
        start = prompt.new_full((len(prompt), 1), self.start_id)
        speech = flatten(prompt + self.offset, "group_major")
        real = flatten(valid.unsqueeze(-1).expand_as(prompt), "group_major")
        pieces = [(start, torch.ones_like(start, dtype=torch.bool))]
        pieces.append((speech, real))
        return DecodingState(self, sampler, pieces)

    def forward(self, tokens, lens, budgets=None, generator=None):
        """Negative log-likelihood of the fine tokens (Eq. 7).

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, n_q]; C, the codec's ``mask_id``, where a clip has
            no token.
        lens : torch.Tensor
            Relative lengths [B] over N.
        budgets : torch.Tensor
            int64 [B, N], number of tokens of each group to keep; by default
            drawn in training, and all in evaluation.
        generator : torch.Generator
            Random generator; torch's global one by default.

        Returns
        -------
        dict
            "loss", the mean over all predicted tokens; "nll" [P], of each;
            "level" int64 [P], the level of each token, b to n_q - 1.

        Raises
        ------
        ValueError
            If a sequence is longer than ``max_positions``.
        """
        batch, groups, levels = tokens.shape
        check_positions(self.sequence_length(groups), self.max_positions)
        if budgets is None:
            budgets = draw_budgets(self, batch, groups, generator)
        given = keep_prefix(tokens, budgets, self.codebook_size)  # [B, N, K]
        level = torch.arange(levels, device=tokens.device).expand_as(given)
        predicted = (given < self.codebook_size) & (level >= self.backbone_size)
        predicted &= length_mask(lens, groups)[:, :, None]

        ids = flatten(given + self.offset, "group_major")  # [B, N * K]
        inputs = F.pad(ids[:, :-1], (1, 0), value=self.start_id)
        predicted, level = (
            flatten(x, "group_major") for x in (predicted, level)
        )
        hidden = self.llama.model(input_ids=inputs).last_hidden_state
        return self.token_losses(
            hidden[predicted], ids[predicted], level[predicted]
        )


def draw_budgets(lm, batch, groups, generator=None):
    """Number of tokens that each group of a DetailLM keeps, int64 [B, N].

    In training b to n_q, and all n_q in a share ``full_share`` of the
    utterances; all in evaluation.
    """
    b, n_q = lm.backbone_size, lm.num_tokens
    if not lm.training:
        return torch.full((batch, groups), n_q)
    size = batch, groups
    budgets = torch.randint(b, n_q + 1, size, generator=generator)
    full = torch.rand(batch, 1, generator=generator) < lm.full_share
    return torch.where(full, n_q, budgets)
