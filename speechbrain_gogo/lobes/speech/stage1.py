"""Stage I of GogoSpeech: text to the backbone (Section 3.2, Eq. 6).

Ids, sequences and loss are here; the vocabulary is in token_stage.py,
generation in generation.py, the Llama itself in llama.py.

Letters: B batch, L text tokens, N groups, K = n_q tokens per group, S sequence,
P predicted tokens, C codes.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import check_positions, length_mask
from speechbrain_gogo.lobes.speech.decoding.decoding_state import DecodingState
from speechbrain_gogo.lobes.speech.token_stage import TokenStage
from speechbrain_gogo.lobes.tokens.patterns import flatten, pack


def text_and_start(text, text_lens, start_id):
    """What comes before speech, as pieces for `pack`: texts, and start tokens.

    ``text`` is int64 [B, L], L may be 0, of relative lengths [B].

    Example
    -------
    >>> text = torch.tensor([[5, 6, 7]])
    >>> pack(text_and_start(text, torch.tensor([2 / 3]), 9))
    (tensor([[5, 6, 9]]), tensor([3]))
    """
    real = length_mask(text_lens, text.shape[1])  # [B, L]
    start = text.new_full((len(text), 1), start_id)
    return [(text, real), (start, torch.ones_like(start, dtype=torch.bool))]


class BackboneLM(TokenStage):
    """Stage I: [text][start][backbone, group by group][end].

    ``offset`` is the id of the first code, ``end_id`` and ``start_id`` follow
    the last one; ``output_slice`` are the ids that can be generated, codes and
    end.

    Arguments
    ---------
    llama : transformers.LlamaForCausalLM
        Llama with a vocabulary of ``text_size + codebook_size + 2``.
    text_size : int
        Text ids.
    codebook_size : int
        Codes C.
    backbone_size : int
        Tokens per group that this stage predicts, b.
    max_positions : int
        Longest sequence.
    order : str
        Order of the backbone's tokens, see patterns.py; "group_major" or
        "level_major".

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> lm = BackboneLM(speech_llama(50 + 80 + 2, 16, 2, 2, 32), 50, 80)
    >>> text = torch.randint(50, (2, 6))
    >>> tokens = torch.randint(80, (2, 4, 10))
    >>> half = torch.tensor([1.0, 0.5])
    >>> out = lm(text, half, tokens, half)
    >>> out["loss"].shape, out["nll"].shape  # 4 * 3 + 2 * 3 codes, 2 ends
    (torch.Size([]), torch.Size([20]))
    """

    stage = 1
    last_level = "end"  # name of the level after those of the tokens

    def __init__(
        self,
        llama,
        text_size,
        codebook_size=12800,
        backbone_size=3,
        max_positions=256,
        order="group_major",
    ):
        super().__init__(
            llama, text_size, codebook_size, backbone_size, max_positions
        )
        self.group_positions = backbone_size
        self.order = order
        self.end_id = text_size + codebook_size
        self.start_id = self.end_id + 1
        self.output_slice = slice(self.offset, self.end_id + 1)

    def sequence_length(self, text_length, num_groups):
        """Positions of utterances, start and end included.

        Arguments
        ---------
        text_length, num_groups : int | numpy.ndarray
            Numbers of text ids and groups of one utterance, or of several.

        Returns
        -------
        int | numpy.ndarray
        """
        return text_length + num_groups * self.backbone_size + 2

    def start(
        self,
        text,
        text_lens,
        prompt,
        prompt_lens,
        sampler,
        guidance=0,
        said=None,
    ):
        """The initial state of generation.

        Arguments
        ---------
        text, text_lens
            As in :meth:`forward`.
        prompt, prompt_lens : torch.Tensor
            Tokens int64 [B, N, b or more], N may be 0, and relative lengths.
        sampler : Sampler
            Sampler with one seed for each utterance.
        guidance : float
            See DecodingState.
        said : torch.Tensor
            Not needed: the stage reads all of the text.

        Returns
        -------
        DecodingState
        """
        pieces = self.prefix(text, text_lens, prompt, prompt_lens)
        return DecodingState(self, sampler, pieces, guidance)

    def prefix(self, text, text_lens, tokens, lens):
        """The sequence up to the end of the speech, as pieces for `pack`.

        Arguments
        ---------
        text, text_lens, tokens, lens
            As in :meth:`forward`; L and N may be 0.

        Returns
        -------
        list of tuple of torch.Tensor
            Ids of text, starts and backbone, each with a mask of the real ones.
        """
        backbone = tokens[..., : self.backbone_size] + self.offset  # [B, N, b]
        real = length_mask(lens, tokens.shape[1]).unsqueeze(-1)  # [B, N, 1]
        speech = (
            flatten(backbone, self.order),  # [B, N * b]
            flatten(real.expand_as(backbone), self.order),
        )
        return [*text_and_start(text, text_lens, self.start_id), speech]

    def forward(self, text, text_lens, tokens, lens):
        """Negative log-likelihood of the backbone, given the text (Eq. 6).

        Arguments
        ---------
        text : torch.Tensor
            int64 [B, L].
        text_lens : torch.Tensor
            Relative lengths [B] over L; 0 is speech without text.
        tokens : torch.Tensor
            int64 [B, N, b or more].
        lens : torch.Tensor
            Relative lengths [B] over N.

        Returns
        -------
        dict
            "loss", the mean over all predicted tokens; "nll" [P], of each;
            "level" int64 [P], the level of each token, b for the end.

        Raises
        ------
        ValueError
            If a sequence is longer than ``max_positions``.
        """
        batch, groups = tokens.shape[:2]
        pieces = self.prefix(text, text_lens, tokens, lens)
        end = text.new_full((batch, 1), self.end_id)
        pieces.append((end, torch.ones_like(end, dtype=torch.bool)))
        ids, length = pack(pieces)  # [B, S]
        check_positions(ids.shape[1], self.max_positions)
        # Text and start tokens are not predicted: their level is -1.
        levels = torch.arange(self.backbone_size, device=ids.device)
        levels = flatten(levels.expand(batch, groups, -1), self.order)
        before = sum(ids.shape[1] for ids, _ in pieces[:2])
        known = F.pad(levels, (before, 0), value=-1)
        known = F.pad(known, (0, 1), value=self.backbone_size)
        level, _ = pack([(known, torch.cat([r for _, r in pieces], dim=1))])
        place = torch.arange(ids.shape[1], device=ids.device)
        predicted = (level >= 0) & (place < length.unsqueeze(1))
        hidden = self.llama.model(input_ids=ids[:, :-1]).last_hidden_state
        hidden = hidden[predicted[:, 1:]]
        return self.token_losses(hidden, ids[predicted], level[predicted])
