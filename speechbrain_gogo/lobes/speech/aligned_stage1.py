"""Stage I that knows which letters come next (an option, not the paper's).

The paper's Stage I reads the whole text before the speech, and learns from
thousands of hours where in the text it is. A small model with a few hours of
speech does not learn that. Here the place in the text is part of the state: a
group says the next ``advance`` letters, which the model predicts before the
tokens of the group, and each pass reads what an encoder of the text has at this
place. Nothing is lost or repeated, and speech ends where the text ends. In
training the advances come from an aligner (aligner.py), which is trained
along. RNN transducers and their descendants in text to speech walk through
the text alike. The interface is that of group_stage1.py, and each group takes
one large pass, too.

Letters: B batch, L text ids, N groups, b tokens of the backbone, K tokens per
group, P predicted groups, C codes, A most letters in a group, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.nn.llama import llama
from speechbrain_gogo.lobes.speech.aligner import Aligner, ConvBlocks
from speechbrain_gogo.lobes.speech.code_grid import GridEmbedding
from speechbrain_gogo.lobes.speech.depth import DepthNetwork
from speechbrain_gogo.lobes.speech.group_stage1 import causal_mask
from speechbrain_gogo.lobes.speech.group_state import GroupDecoder, GroupState


class AlignedBackboneLM(nn.Module):
    """Stage I, group by group, with a place in the text.

    Arguments
    ---------
    text_size : int
        Text ids.
    levels : list of int
        Of each dimension of the codec's quantizer; their product is C.
    num_tokens : int
        Tokens per group that the aligner reads, K.
    backbone_size : int
        Tokens per group that this stage predicts, b.
    max_positions : int
        Most groups, and one for the start.
    dim, num_layers, num_heads, ffn_dim, num_key_value_heads : int
        Of the Llama.
    depth_layers, depth_ffn_dim : int
        Of the network that predicts the tokens of a group.
    text_layers : int
        Convolutions over 7 letters.
    aligner_dim, aligner_frames, aligner_layers : int
        Of the :class:`~speechbrain_gogo.lobes.speech.aligner.Aligner`.
    most_letters : int
        In one group, A; also of the aligner's path.
    dropout : float
        Of the text's vectors and before the depth network.
    history_dropout : float
        Share of the groups that the model does not see in training when it
        predicts what follows, so that it listens to the text.

    Example
    -------
    >>> lm = AlignedBackboneLM(50, [4, 3], dim=16, num_layers=1, num_heads=2)
    >>> text = torch.randint(50, (2, 6))
    >>> tokens = torch.randint(12, (2, 4, 10))
    >>> half = torch.tensor([1.0, 0.5])
    >>> out = lm(text, half, tokens, half)
    >>> out["loss"].shape, out["nll"].shape  # 4 * 3 + 2 * 3 codes, 2 ends
    (torch.Size([]), torch.Size([20]))
    """

    stage = 1
    group_positions = 1
    given = 0  # tokens of a group that are known before its pass
    text_positions = 0  # text takes none

    def __init__(
        self,
        text_size,
        levels,
        num_tokens=10,
        backbone_size=3,
        max_positions=128,
        dim=256,
        num_layers=4,
        num_heads=4,
        ffn_dim=768,
        num_key_value_heads=None,
        depth_layers=2,
        depth_ffn_dim=512,
        text_layers=3,
        aligner_dim=128,
        aligner_frames=6,
        aligner_layers=3,
        most_letters=12,
        dropout=0.1,
        history_dropout=0.1,
    ):
        super().__init__()
        self.sizes = {  # with which it can be built again
            "text_size": text_size,
            "levels": list(levels),
            "num_tokens": num_tokens,
            "backbone_size": backbone_size,
            "max_positions": max_positions,
            "dim": dim,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "ffn_dim": ffn_dim,
            "num_key_value_heads": num_key_value_heads or num_heads,
            "depth_layers": depth_layers,
            "depth_ffn_dim": depth_ffn_dim,
            "text_layers": text_layers,
            "aligner_dim": aligner_dim,
            "aligner_frames": aligner_frames,
            "aligner_layers": aligner_layers,
            "most_letters": most_letters,
        }
        self.backbone_size = self.group_tokens = backbone_size
        self.max_positions = max_positions
        self.most_letters = most_letters
        self.history_dropout = history_dropout
        self.dropout = nn.Dropout(dropout)
        self.groups = GridEmbedding(levels, backbone_size, dim)
        self.codebook_size = self.groups.grid.size
        self.text = nn.Embedding(text_size + 1, dim)  # one for the end
        self.text_blocks = ConvBlocks(dim, text_layers, 7, 2 * dim)
        self.no_text = nn.Parameter(torch.zeros(dim))
        self.said = nn.Linear(dim, dim)
        self.advance_rows = nn.Embedding(most_letters + 1, dim)
        self.llama = llama(
            dim,
            num_layers,
            num_heads,
            ffn_dim,
            num_key_value_heads=num_key_value_heads or num_heads,
        )
        self.advance = nn.Linear(dim, most_letters + 1)
        self.end = nn.Linear(dim, 1)
        self.depth = DepthNetwork(
            levels, backbone_size, 0, dim, depth_layers, depth_ffn_dim
        )
        self.aligner = Aligner(
            levels,
            num_tokens,
            text_size,
            aligner_dim,
            aligner_frames,
            aligner_layers,
        )

    def sequence_length(self, text_length, num_groups):
        """Positions that utterances take, the start included.

        Arguments
        ---------
        text_length, num_groups : int | numpy.ndarray
            Of one utterance, or of several.

        Returns
        -------
        int | numpy.ndarray
        """
        return num_groups + 1

    def encode_text(self, text, text_lens):
        """Vectors of the places in a text.

        Arguments
        ---------
        text : torch.Tensor
            int64 [B, L].
        text_lens : torch.Tensor
            Relative lengths [B] over L; 0 is speech without text.

        Returns
        -------
        tuple of torch.Tensor
            [B, L + 1, D], of the place before each letter and at the end of
            the text; and the letters of each text, int64 [B].
        """
        real = length_mask(text_lens, text.shape[1])  # [B, L]
        lengths = real.sum(1)
        place = torch.arange(text.shape[1] + 1, device=text.device)
        ids = torch.where(place == lengths.unsqueeze(1), self.text_end, 0)
        ids[:, :-1] = torch.where(real, text, ids[:, :-1])
        kept = place <= lengths.unsqueeze(1)
        encoded = self.text_blocks(self.text(ids), kept)
        none = (lengths == 0)[:, None, None]
        encoded = torch.where(none, self.no_text.to(encoded.dtype), encoded)
        return self.dropout(encoded), lengths

    @property
    def text_end(self):
        """The id of the end of a text."""
        return self.text.num_embeddings - 1

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
            "loss", the mean over all predicted tokens, with the nats of the
            advances shared out over the tokens, and the aligner's loss;
            "nll" [P], of each token; "level" int64 [P], which of the b a
            token is, b for the end.

        Raises
        ------
        ValueError
            If a sequence is longer than ``max_positions``.
        """
        if tokens.shape[1] + 1 > self.max_positions:
            raise ValueError(
                f"A clip of the batch takes {tokens.shape[1] + 1} positions, "
                f"this model has {self.max_positions}: leave such clips out."
            )
        backbone = tokens[..., : self.backbone_size]  # [B, N, b]
        real = length_mask(lens, tokens.shape[1])  # [B, N]
        encoded, lengths = self.encode_text(text, text_lens)
        log_probs = self.aligner(self._some(tokens), real)
        clips = lengths > 0
        ctc = self.aligner.loss(
            log_probs[clips], real[clips], text[clips], lengths[clips]
        )
        advances = self.aligner.advances(log_probs, real, text, lengths)
        advances = advances.clamp(max=self.most_letters)
        place = F.pad(advances.cumsum(1), (1, 0))  # [B, N + 1]
        at_place = at(encoded, place)  # [B, N + 1, D]
        hidden = self.hidden_states(backbone, real, at_place)
        last = real.sum(1)
        at_end = hidden[torch.arange(len(hidden), device=real.device), last]

        clips = clips.unsqueeze(1).expand_as(real)[real]  # [P]
        could_end = (place[:, :-1] == lengths.unsqueeze(1))[real]
        hidden, ahead = hidden[:, :-1][real], at_place[:, 1:][real]  # [P, D]
        advances = advances[real]
        goes_on = F.softplus(self.end(hidden).float()).flatten()
        moved = F.cross_entropy(
            self.advance(hidden).float(), advances, reduction="none"
        )
        moved = moved[clips & ~could_end].sum()
        hidden = self.dropout(self.after(hidden, ahead, advances))
        nll = self.depth.nll(hidden, backbone[real])  # [P, b]
        # The first token says that speech goes on, where it could end.
        first = nll[:, 0] + torch.where(could_end, goes_on, 0.0)
        ended = F.softplus(-self.end(at_end).float()).flatten()  # [B]
        nll = torch.cat([first.unsqueeze(1), nll[:, 1:]], dim=1)
        level = torch.arange(self.backbone_size, device=real.device)
        level = level.expand_as(nll).flatten()
        end_level = level.new_full((len(ended),), self.backbone_size)
        nll = torch.cat([nll.flatten(), ended])
        level = torch.cat([level, end_level])
        loss = nll.mean() + moved / len(nll) + ctc
        return {"loss": loss, "nll": nll, "level": level}

    def hidden_states(self, backbone, real, at_place):
        """The Llama over a start and all groups: -> [B, N + 1, D].

        Arguments
        ---------
        backbone : torch.Tensor
            int64 [B, N, b].
        real : torch.Tensor
            bool [B, N].
        at_place : torch.Tensor
            [B, N + 1, D], of the text.

        Returns
        -------
        torch.Tensor
        """
        x, position, kept = self.sequence(backbone, real, at_place)
        return self.llama(
            inputs_embeds=x,
            attention_mask=causal_mask(kept),
            position_ids=position,
        ).last_hidden_state

    def sequence(self, backbone, real, at_place):
        """What the Llama reads: at each position the group before, and the text.

        Arguments
        ---------
        backbone, real, at_place
            As of :meth:`hidden_states`.

        Returns
        -------
        tuple of torch.Tensor
            Vectors [B, N + 1, D], positions int64 [B, N + 1], and bool
            [B, N + 1], which of them are real.
        """
        start = torch.full_like(backbone[:, :1], self.codebook_size)
        before = torch.cat([start, backbone], dim=1)  # [B, N + 1, b]
        if self.training and self.history_dropout:
            unseen = torch.rand(before.shape[:2], device=before.device)
            unseen = (unseen < self.history_dropout).unsqueeze(-1)
            before = torch.where(unseen, self.codebook_size, before)
        x = self.groups(before).sum(2) + at_place
        position = torch.arange(before.shape[1], device=before.device)
        kept = F.pad(real, (1, 0), value=True)
        return x, position.expand(kept.shape), kept

    def after(self, hidden, ahead, advances):
        """The vector of a group whose advance is known.

        Arguments
        ---------
        hidden : torch.Tensor
            Of the Llama, [P, D].
        ahead : torch.Tensor
            Of the text behind the letters of the group, [P, D].
        advances : torch.Tensor
            int64 [P].

        Returns
        -------
        torch.Tensor
            [P, D].
        """
        return hidden + self.said(ahead) + self.advance_rows(advances)

    def start(self, text, text_lens, prompt, prompt_lens, sampler, guidance=0):
        """The state in which generation begins.

        Where the text of the prompt ends is found by the aligner.

        Arguments
        ---------
        text, text_lens
            As of :meth:`forward`.
        prompt, prompt_lens : torch.Tensor
            Tokens int64 [B, N, b or more], N may be 0, and relative lengths.
        sampler : Sampler
            With one seed for each utterance.
        guidance : float
            See :class:`~speechbrain_gogo.lobes.speech.group_state.GroupState`.

        Returns
        -------
        AlignedState
        """
        return AlignedState(
            self, sampler, text, text_lens, prompt, prompt_lens, guidance
        )

    def decoder(self, batch, max_length, compiled=False):
        """Memory and weights for generation, to be used again.

        Arguments
        ---------
        batch : int
            Sequences.
        max_length : int
            Positions, left padding included.
        compiled : bool
            Without meaning here: large passes are too few to be compiled.

        Returns
        -------
        GroupDecoder
        """
        return GroupDecoder(self, batch, max_length)

    def group_inputs(self, before, given):
        """What the pass for the next group reads of the one before it.

        Arguments
        ---------
        before : torch.Tensor
            int64 [B, b].
        given : torch.Tensor
            int64 [B, 0].

        Returns
        -------
        torch.Tensor
            [B, D].
        """
        return self.groups(before).sum(1)

    def _some(self, tokens):
        """In training the aligner reads b to K tokens of a clip's groups."""
        if not self.training:
            return tokens
        most = torch.randint(
            self.backbone_size, tokens.shape[2] + 1, (len(tokens), 1, 1)
        ).to(tokens.device)
        place = torch.arange(tokens.shape[2], device=tokens.device)
        return torch.where(place < most, tokens, self.codebook_size)


class AlignedState(GroupState):
    """State of :class:`AlignedBackboneLM` during generation.

    Arguments
    ---------
    lm : AlignedBackboneLM
        In evaluation mode.
    sampler : Sampler
        With one seed for each utterance.
    text, text_lens, prompt, prompt_lens
        As of ``AlignedBackboneLM.start``.
    guidance : float
        As of GroupState.
    """

    def __init__(
        self, lm, sampler, text, text_lens, prompt, prompt_lens, guidance
    ):
        self.encoded, self.lengths = lm.encode_text(text, text_lens)
        real = length_mask(prompt_lens, prompt.shape[1])
        place = self._places(lm, text, prompt, real)
        backbone = prompt[..., : lm.backbone_size]
        sequence = lm.sequence(backbone, real, at(self.encoded, place))
        super().__init__(lm, sampler, sequence, backbone, real, guidance)
        self.place = place[:, -1]  # [B]
        self.advances = sampler.another()

    def _places(self, lm, text, prompt, real):
        """Places before each group and after the last one, int64 [B, N + 1]."""
        if not prompt.shape[1]:
            return torch.zeros_like(real, dtype=torch.int64).new_zeros(
                len(text), 1
            )
        log_probs = lm.aligner(prompt, real)
        said = lm.aligner.spoken(log_probs, real, text, self.lengths)
        advances = lm.aligner.advances(log_probs, real, text, said)
        advances = advances.clamp(max=lm.most_letters)
        return F.pad(advances.cumsum(1), (1, 0))

    def begin_group(self, hidden, position):
        """Sample the advance of the next group."""
        lm, left = self.lm, self.lengths - self.place
        self.could_end = left == 0
        end = lm.end(hidden).float()
        self.end_score = end.masked_fill(~self.could_end[:, None], -torch.inf)
        scores = lm.advance(hidden).float()
        choice = torch.arange(scores.shape[1], device=scores.device)
        scores.masked_fill_(choice > left.unsqueeze(1), -torch.inf)
        told = len(scores) // 2 if self.guidance else len(scores)
        unseen = torch.zeros_like(scores[:told], dtype=torch.bool)
        advance = self.advances.draw(scores[:told], unseen, position)
        if self.guidance:
            advance = torch.cat([advance, torch.zeros_like(advance)])
        self.place = self.place + advance
        self.ahead = at(self.encoded, self.place.unsqueeze(1)).squeeze(1)
        return lm.after(hidden, self.ahead, advance)

    def log_probs(self):
        """Log-probabilities of the next token, at first also of the end."""
        found = self.lm.depth.log_probs(self.hidden, self.group)
        if self.group.shape[1]:
            return found
        end = self.end_score
        return torch.cat([found - F.softplus(end), -F.softplus(-end)], dim=1)

    def group_inputs(self):
        """What the next pass reads: the group before, and the text ahead."""
        return super().group_inputs() + self.ahead


def at(encoded, place):
    """Vectors at places: [B, L + 1, D], int64 [B, S] -> [B, S, D]."""
    index = place.unsqueeze(-1).expand(-1, -1, encoded.shape[2])
    return encoded.gather(1, index)
