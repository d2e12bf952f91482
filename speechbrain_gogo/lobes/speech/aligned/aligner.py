"""Alignment of speech tokens and text by CTC.

Not in the paper. A small network reads the tokens of a clip and predicts its
text with the CTC loss (Graves et al. 2006); the best path through its
predictions gives the frame in which each letter begins. It is trained before
the language model that needs the alignment (stage1.py), on the same batches,
and needs no time stamps in the corpus.

Letters: B batch, N groups, K tokens per group, T frames of the aligner, L text
ids, V size of the text vocabulary, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.aligned.text_encoder import ConvBlocks
from speechbrain_gogo.lobes.speech.codes.code_grid import GridEmbedding


class Aligner(nn.Module):
    """Predicts text from tokens, and aligns the two.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the codec's quantizer.
    num_tokens : int
        Tokens per group K that are read.
    text_size : int
        Text ids V; the blank is the id V.
    dim : int
        Width D.
    frames : int
        Frames per group, at least the number of letters pronounced in one.
    num_layers : int
        Number of blocks over groups, and of blocks over frames.

    Example
    -------
    >>> aligner = Aligner([4, 3], 10, 50, dim=16, frames=4).eval()
    >>> tokens = torch.randint(12, (2, 6, 10))
    >>> real = torch.ones(2, 6, dtype=torch.bool)
    >>> log_probs = aligner(tokens, real)
    >>> log_probs.shape
    torch.Size([2, 24, 51])
    >>> text, lengths = torch.randint(50, (2, 8)), torch.tensor([8, 5])
    >>> places = aligner.places(log_probs, real, text, lengths)
    >>> places.shape, places[:, -1, -1]
    (torch.Size([2, 6, 4]), tensor([8, 5]))
    """

    def __init__(
        self, levels, num_tokens, text_size, dim=128, frames=6, num_layers=3
    ):
        super().__init__()
        self.num_tokens, self.frames, self.blank = num_tokens, frames, text_size
        self.tokens = GridEmbedding(levels, num_tokens, dim)
        self.groups = ConvBlocks(dim, num_layers, 3, 2 * dim)
        self.expand = nn.Linear(dim, frames * dim)
        self.over_frames = ConvBlocks(dim, num_layers, 9, 2 * dim)
        self.output = nn.Linear(dim, text_size + 1)

    def forward(self, tokens, real):
        """Log-probabilities of text ids in each frame, float32 [B, N * frames, V + 1].

        ``tokens`` are int64 [B, N, any], C for a missing one: those beyond
        ``num_tokens`` are ignored, lacking ones are C. ``real`` is bool [B, N].
        """
        if not tokens.shape[1]:
            return self.output.weight.new_zeros(len(tokens), 0, self.blank + 1)
        tokens = tokens[..., : self.num_tokens]
        lacking = self.num_tokens - tokens.shape[2]
        tokens = F.pad(tokens, (0, lacking), value=self.tokens.grid.size)
        x = self.groups(self.tokens.total(tokens), real)
        x = self.expand(x).unflatten(-1, (self.frames, -1))
        x = x.flatten(1, 2)  # [B, T, D]
        x = self.over_frames(x, self.real_frames(real))
        return self.output(x).float().log_softmax(-1)

    def real_frames(self, real):
        """Which frames are real: bool [B, N] -> bool [B, T]."""
        return real.repeat_interleave(self.frames, dim=1)

    def loss(self, log_probs, real, text, lengths):
        """The CTC loss per letter, a mean over the batch.

        ``log_probs`` are those of :meth:`forward` for ``real``, bool [B, N];
        ``text`` int64 [B, L] has ``lengths`` int64 [B]. Clips without text are
        ignored; those too short for their text count as 0.
        """
        with_text = (lengths > 0) & real.any(1)
        if not with_text.any():
            return log_probs.sum() * 0  # keeps a gradient
        return F.ctc_loss(
            log_probs[with_text].transpose(0, 1),
            text[with_text],
            real[with_text].sum(1) * self.frames,
            lengths[with_text],
            blank=self.blank,
            reduction="mean",
            zero_infinity=True,
        )

    @torch.no_grad()
    def places(self, log_probs, real, text, lengths):
        """Number of letters that have begun by each frame, on the best path.

        int64 [B, N, frames], for the arguments of :meth:`loss`. Letters are evenly
        spaced in a clip with too few frames for its text.
        """
        if not (text.shape[1] and real.shape[1]):
            return real.new_zeros(*real.shape, self.frames, dtype=torch.int64)
        state, possible = best_path(
            log_probs,
            real.sum(1) * self.frames,
            text,
            lengths,
            self.blank,
        )
        # State 2 l + 1 is letter l, state 2 l the blank before it.
        begun = (state + 1).div(2, rounding_mode="floor")  # [B, T]
        frame = self.real_frames(real).cumsum(1)  # [B, T]
        evenly = frame * lengths.unsqueeze(1)
        evenly = evenly.div(frame[:, -1:].clamp(min=1), rounding_mode="floor")
        begun = torch.where(possible.unsqueeze(1), begun, evenly)
        return begun.unflatten(1, (-1, self.frames))

    @torch.no_grad()
    def spoken(self, log_probs, real, text, lengths):
        """Number of letters of a text that a clip pronounces, int64 [B].

        The length of the most probable prefix of the text, for the arguments of
        :meth:`loss`.
        """
        frames = real.sum(1) * self.frames
        if not (text.shape[1] and real.shape[1]):
            return torch.zeros_like(frames)
        emitted, barred = trellis(log_probs, text, self.blank)
        score = first_score(emitted)
        for t in range(1, emitted.shape[1]):
            total = entries(score, barred).logsumexp(0) + emitted[:, t]
            score = torch.where((t < frames).unsqueeze(1), total, score)
        # The forward variables of CTC are those of every prefix, too: it ends
        # with its last letter or the blank after it.
        letters = F.pad(score[:, 1::2], (1, 0), value=-torch.inf)
        total = torch.logaddexp(score[:, ::2], letters)  # [B, L + 1]
        place = torch.arange(total.shape[1], device=total.device)
        total = total.masked_fill(place > lengths.unsqueeze(1), -torch.inf)
        return torch.where(frames > 0, total.argmax(1), 0)


def trellis(log_probs, text, blank):
    """Log-probabilities of CTC's states, and which transitions are barred.

    For the arguments of :func:`best_path`: [B, T, S] of S = 2 L + 1 states,
    and [B, S], minus infinity for a state that the one two before it may not
    precede, else 0.
    """
    ids = text.new_full((len(text), 2 * text.shape[1] + 1), blank)
    ids[:, 1::2] = text
    index = ids.unsqueeze(1).expand(-1, log_probs.shape[1], -1)
    # A letter may follow another one without a blank if they differ.
    may_skip = torch.zeros_like(ids, dtype=torch.bool)
    may_skip[:, 3::2] = text[:, 1:] != text[:, :-1]
    return log_probs.gather(2, index), torch.where(may_skip, 0.0, -torch.inf)


def first_score(emitted):
    """Scores [B, S] in the first frame: the first blank, or the first letter."""
    place = torch.arange(emitted.shape[2], device=emitted.device)
    return torch.where(place < 2, emitted[:, 0], -torch.inf)


def entries(score, barred):
    """Scores [3, B, S] of the states before each one: itself, 1 and 2 before."""
    return torch.stack(
        [
            score,
            F.pad(score, (1, -1), value=-torch.inf),
            F.pad(score, (2, -2), value=-torch.inf) + barred,
        ]
    )


def best_path(log_probs, frames, text, lengths, blank):
    """The most probable path of CTC (Viterbi).

    Arguments
    ---------
    log_probs : torch.Tensor
        float32 [B, T, V + 1].
    frames : torch.Tensor
        Number of real frames, int64 [B].
    text, lengths : torch.Tensor
        int64 [B, L] and how many of them are real, int64 [B].
    blank : int
        Id of the blank.

    Returns
    -------
    tuple of torch.Tensor
        The state of each frame, int64 [B, T]: 2 l is the blank before letter l,
        2 l + 1 the letter; frames past the end stay in the last state. Also
        bool [B], whether there is a path.
    """
    emitted, barred = trellis(log_probs, text, blank)  # [B, T, states]
    score, choices = first_score(emitted), []
    for t in range(1, emitted.shape[1]):
        best, choice = entries(score, barred).max(0)
        running = (t < frames).unsqueeze(1)
        score = torch.where(running, best + emitted[:, t], score)
        choices.append(torch.where(running, choice, 0))
    last = 2 * lengths
    ends = torch.stack([last, (last - 1).clamp(min=0)], dim=1)  # [B, 2]
    final = score.gather(1, ends)
    state = ends.gather(1, final.argmax(1, keepdim=True))  # [B, 1]
    path = [state]
    for choice in reversed(choices):
        state = state - choice.gather(1, state)
        path.append(state)
    return torch.cat(path[::-1], dim=1), final.amax(1) > -torch.inf
