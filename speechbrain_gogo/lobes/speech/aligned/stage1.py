"""Stage I with an explicit alignment of text and speech (not in the paper).

The paper's Stage I reads the whole text before the speech and learns their
alignment from thousands of hours. From a few hours a small model does not learn
it. Here each group has a few frames, and the model reads, besides the preceding
group, the encoded letter that each frame of the next group pronounces: no
letter is skipped or repeated, and speech ends where the text ends. Durations of
letters are predicted from the text (durations.py), as in FastSpeech 2 (Ren et
al. 2021); in training they come from an aligner (aligner.py), which is trained
alone in the first batches. The interface is that of group_stage1.py, with one
pass per group.

Letters: B batch, L text ids, N groups, F frames per group, b tokens of the
backbone, K tokens per group, P predicted groups, C codes, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import check_positions, length_mask
from speechbrain_gogo.lobes.nn.llama import causal_mask
from speechbrain_gogo.lobes.speech.aligned.aligner import Aligner
from speechbrain_gogo.lobes.speech.aligned.durations import Durations
from speechbrain_gogo.lobes.speech.aligned.state import AlignedState, at
from speechbrain_gogo.lobes.speech.aligned.text_encoder import TextEncoder
from speechbrain_gogo.lobes.speech.group_stage import GroupStage1
from speechbrain_gogo.lobes.tokens.granular import keep_prefix


class AlignedBackboneLM(GroupStage1):
    """Stage I, group by group, aligned with the text.

    Arguments
    ---------
    text_size : int
        Text ids.
    levels : list of int
        Levels of each dimension of the codec's quantizer; their product is C.
    num_tokens : int
        Tokens per group that the aligner reads, K.
    backbone_size : int
        Tokens per group that this stage predicts, b; if b = K, there is no
        other stage.
    max_positions : int
        Largest number of groups, plus one for the start.
    text_layers : int
        Convolutions of the text encoder, each over 7 letters.
    aligner_dim, aligner_frames, aligner_layers : int
        Sizes of the
        :class:`~speechbrain_gogo.lobes.speech.aligned.aligner.Aligner`.
    aligner_batches : int
        Number of batches at the start of the training that train the aligner
        alone. It is frozen afterwards.
    dropout : float
        Dropout probability of the encoded text and before the depth network.
    history_dropout : float
        Share of preceding groups that are masked in training, so that the
        model depends on the text.
    pace_range : tuple of float
        Bounds of a prompt's speaking rate, as its durations over predicted
        ones. The durations of the target are scaled by this ratio.
    **network
        Arguments of
        :class:`~speechbrain_gogo.lobes.speech.group_stage.GroupStage`.

    Example
    -------
    >>> lm = AlignedBackboneLM(50, [4, 3], dim=16, num_layers=1, num_heads=2)
    >>> text = torch.randint(50, (2, 6))
    >>> tokens = torch.randint(12, (2, 4, 10))
    >>> half = torch.tensor([1.0, 0.5])
    >>> out = lm(text, half, tokens, half)
    >>> out["loss"].shape, out["nll"].shape  # 4 * 3 + 2 * 3 codes, 7 + 4 places
    (torch.Size([]), torch.Size([29]))
    """

    last_level = "duration"  # name of the level after those of the tokens
    # An update has no gradients of the aligner, or of the rest.
    learns_in_parts = True
    # The state that belongs to the ids of text.
    text_state = (
        "text.rows.weight",
        "aligner.output.weight",
        "aligner.output.bias",
        "batches",
    )

    def __init__(
        self,
        text_size,
        levels,
        num_tokens=10,
        backbone_size=3,
        max_positions=128,
        text_layers=3,
        aligner_dim=128,
        aligner_frames=6,
        aligner_layers=3,
        aligner_batches=0,
        dropout=0.1,
        history_dropout=0.1,
        pace_range=(0.6, 1.6),
        **network,
    ):
        super().__init__(levels, backbone_size, **network)
        self.sizes.update(
            text_size=text_size,
            num_tokens=num_tokens,
            max_positions=max_positions,
            text_layers=text_layers,
            aligner_dim=aligner_dim,
            aligner_frames=aligner_frames,
            aligner_layers=aligner_layers,
            pace_range=list(pace_range),
        )
        self.max_positions = max_positions
        self.history_dropout = history_dropout
        self.pace_range = pace_range
        self.dropout = nn.Dropout(dropout)
        self.text = TextEncoder(text_size, self.dim, text_layers, dropout)
        self.durations = Durations(self.dim)
        self.frames = nn.Linear(aligner_frames * self.dim, self.dim)
        self.aligner = Aligner(
            levels,
            num_tokens,
            text_size,
            aligner_dim,
            aligner_frames,
            aligner_layers,
        )
        self.aligner_batches = aligner_batches
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def sequence_length(self, text_length, num_groups):
        """Positions of utterances, including the start, as in BackboneLM."""
        return num_groups + 1

    def forward(self, text, text_lens, tokens, lens):
        """Negative log-likelihood of the backbone, given the text (Eq. 6).

        Arguments
        ---------
        text, text_lens, tokens, lens
            As in BackboneLM.forward.

        Returns
        -------
        dict
            "loss"; "nll" [P], of each token and of each duration; "level" int64
            [P], the level of each token, b for a duration. While the aligner
            is trained alone, "loss" and "aligner" are its loss, and "nll" and
            "level" are empty.

        Raises
        ------
        ValueError
            If a sequence is longer than ``max_positions``.
        """
        check_positions(tokens.shape[1] + 1, self.max_positions)
        real = length_mask(lens, tokens.shape[1])  # [B, N]
        if self.training:
            self.batches += 1
        if self.training and self.batches <= self.aligner_batches:
            lengths = length_mask(text_lens, text.shape[1]).sum(1)
            log_probs = self.aligner(self._mask_levels(tokens), real)
            loss = self.aligner.loss(log_probs, real, text, lengths)
            none = loss.new_zeros(0)
            parts = {"nll": none, "level": none.long()}
            return {"loss": loss, "aligner": loss.detach(), **parts}
        encoded, lengths = self.text(text, text_lens)
        with torch.no_grad():
            log_probs = self.aligner(tokens, real)
        places = self.aligner.places(log_probs, real, text, lengths)
        backbone = tokens[..., : self.backbone_size]  # [B, N, b]
        hidden = self.hidden_states(backbone, real, encoded, places)[real]
        hidden = self.dropout(hidden)
        nll = self.depth.nll(hidden, backbone[real])  # [P, b]
        scores = self.durations(encoded, lengths)
        places, real = places.flatten(1), self.aligner.real_frames(real)
        duration_nll = self.durations.nll(scores, lengths, places, real)
        level = torch.arange(self.backbone_size, device=nll.device)
        level = level.expand_as(nll).flatten()
        level = torch.cat(
            [level, torch.full_like(duration_nll, nll.shape[1]).long()]
        )
        loss = nll.mean() + duration_nll.sum() / max(len(duration_nll), 1)
        nll = torch.cat([nll.flatten(), duration_nll])
        return {"loss": loss, "nll": nll, "level": level}

    def hidden_states(self, backbone, real, encoded, places):
        """Hidden states from which groups are predicted, [B, N, D].

        Arguments
        ---------
        backbone : torch.Tensor
            int64 [B, N, b].
        real : torch.Tensor
            bool [B, N].
        encoded : torch.Tensor
            The text, [B, L + 1, D].
        places : torch.Tensor
            Letter of each frame, int64 [B, N, F].
        """
        kept = F.pad(real[:, 1:], (1, 0), value=True)
        x, position = self.sequence(backbone[:, :-1], encoded, places)
        return self.llama(x, causal_mask(kept), position)

    def sequence(self, backbone, encoded, places):
        """The Llama's input: the preceding group and the next group's text.

        ``backbone`` int64 [B, N - 1, b], ``encoded`` and ``places`` as in
        :meth:`hidden_states` -> vectors [B, N, D] and positions int64 [B, N].
        """
        before = F.pad(backbone, (0, 0, 1, 0), value=self.codebook_size)
        if self.training and self.history_dropout:
            unseen = torch.rand(before.shape[:2], device=before.device)
            unseen = (unseen < self.history_dropout).unsqueeze(-1)
            before = torch.where(unseen, self.codebook_size, before)
        x = self.groups.total(before) + self.said(encoded, places)
        position = torch.arange(before.shape[1], device=before.device)
        return x, position.expand(x.shape[:2])

    def said(self, encoded, places):
        """The encoded text of groups, [B, N, D]; arguments of :meth:`hidden_states`."""
        vectors = at(encoded, places.flatten(1))  # [B, N * F, D]
        vectors = vectors.unflatten(1, places.shape[1:])
        return self.frames(vectors.flatten(2))

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
        """The initial state of generation, as BackboneLM.start.

        ``said`` is that of generate_backbone.
        """
        parts = text, text_lens, prompt, prompt_lens
        return AlignedState(self, sampler, *parts, guidance, said)

    def _mask_levels(self, tokens):
        """Keep a random number of tokens per group, b to K, for the aligner."""
        keep = torch.randint(
            self.backbone_size, tokens.shape[2] + 1, (len(tokens), 1)
        )
        return keep_prefix(tokens, keep, self.codebook_size)
