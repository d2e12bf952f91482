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
from speechbrain_gogo.lobes.speech.aligned.aligner import Aligner
from speechbrain_gogo.lobes.speech.aligned.state import AlignedState, at
from speechbrain_gogo.lobes.speech.aligned.text_encoder import TextEncoder
from speechbrain_gogo.lobes.speech.group_stage import GroupStage1, causal_mask


class AlignedBackboneLM(GroupStage1):
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
    text_layers : int
        Convolutions over 7 letters.
    aligner_dim, aligner_frames, aligner_layers : int
        Of the :class:`~speechbrain_gogo.lobes.speech.aligned.aligner.Aligner`.
    most_letters : int
        In one group, A; also of the aligner's path.
    dropout : float
        Of the text's vectors and before the depth network.
    history_dropout : float
        Share of the groups that the model does not see in training when it
        predicts what follows, so that it depends on the text.
    **network
        Of :class:`~speechbrain_gogo.lobes.speech.group_stage.GroupStage`.

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

    text_positions = 0  # text takes none

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
        most_letters=12,
        dropout=0.1,
        history_dropout=0.1,
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
            most_letters=most_letters,
        )
        dim = self.dim
        self.max_positions = max_positions
        self.most_letters = most_letters
        self.history_dropout = history_dropout
        self.dropout = nn.Dropout(dropout)
        self.text = TextEncoder(text_size, dim, text_layers, dropout)
        self.said = nn.Linear(dim, dim)
        self.advance_rows = nn.Embedding(most_letters + 1, dim)
        self.advance = nn.Linear(dim, most_letters + 1)
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
        encoded, lengths = self.text(text, text_lens)
        log_probs = self.aligner(self._some(tokens), real)
        ctc = self.aligner.loss(log_probs, real, text, lengths)
        advances = self.aligner.advances(log_probs, real, text, lengths)
        advances = advances.clamp(max=self.most_letters)
        place = F.pad(advances.cumsum(1), (1, 0))  # [B, N + 1]
        at_place = at(encoded, place)  # [B, N + 1, D]
        hidden = self.hidden_states(backbone, real, at_place)
        last = real.sum(1)
        at_end = hidden[torch.arange(len(hidden), device=real.device), last]

        # At the end of a text speech goes on or ends; before, it advances.
        before_end = (place[:, :-1] < lengths.unsqueeze(1))[real]  # [P]
        hidden, ahead = hidden[:, :-1][real], at_place[:, 1:][real]  # [P, D]
        end = self.end(hidden).flatten().masked_fill(before_end, -torch.inf)
        scores, advances = self.advance(hidden).float(), advances[real]
        moved = F.cross_entropy(scores, advances, reduction="none")
        hidden = self.dropout(self.after(hidden, ahead, advances))
        nll = self.depth.nll(hidden, backbone[real])  # [P, b]
        nll, level = self.score(nll, end, at_end)
        loss = nll.mean() + moved[before_end].sum() / len(nll) + ctc
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
        size = len(backbone), 1, self.backbone_size
        start = backbone.new_full(size, self.codebook_size)
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
        """The state in which generation begins.

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
        said : torch.Tensor
            How many ids of the text the prompt says, int64 [B]; found by the
            aligner if not given.

        Returns
        -------
        AlignedState
        """
        parts = text, text_lens, prompt, prompt_lens
        return AlignedState(self, sampler, *parts, guidance, said)

    def _some(self, tokens):
        """In training the aligner reads b to K tokens of a clip's groups."""
        if not self.training:
            return tokens
        most = torch.randint(
            self.backbone_size, tokens.shape[2] + 1, (len(tokens), 1, 1)
        ).to(tokens.device)
        place = torch.arange(tokens.shape[2], device=tokens.device)
        return torch.where(place < most, tokens, self.codebook_size)
