"""Generation of sequences with several streams per step.

Every forward pass gives a row of the delayed matrix (stream_rows.py): one token
of each stream, from steps d apart. T steps take T + (S - 1) * d passes, and at
least one more if the model predicts the end.

Letters: B batch, C vectors before the sequence, P prompt steps, T steps, S
streams, d delay, D width.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.decoding.loop_detector import LoopDetector
from speechbrain_gogo.lobes.speech.streams.gpt import pad_left


class StepGenerator:
    """Generates steps one by one, after those of a prompt.

    Arguments
    ---------
    rows : StreamRows
        Rows of the sequence.
    reader : CachedGPT2
        The language model, which may already have read a context.
    context : tuple of torch.Tensor
        Vectors [B, C, D] to read before the sequence, and bool [B, C], which
        of them are real.
    sampler : Sampler
        Sampler with one seed for each utterance.
    max_steps : torch.Tensor
        Largest number of steps of each utterance, int64 [B].
    ends : bool
        Whether EOS ends an utterance. Otherwise it has ``max_steps``.
    prompt : torch.Tensor
        int64 [B, P, S]; none by default.
    prompt_counts : torch.Tensor
        Steps of each prompt, int64 [B].
    condition : torch.Tensor
        Added to the vector from which each row is predicted, [B, R, D],
        starting with the prompt's first row; the last one is repeated. None by
        default.
    loop_steps : int
        An utterance is cut off if a cycle repeats for this many steps.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
    >>> from speechbrain_gogo.lobes.speech.decoding.cached_gpt2 import CachedGPT2
    >>> from speechbrain_gogo.lobes.speech.streams.gpt import gpt
    >>> from speechbrain_gogo.lobes.speech.streams.stream_rows import StreamRows
    >>> rows, reader = StreamRows(9, 4, 16, 20), CachedGPT2(gpt(16, 1, 2, 30), 1)
    >>> context = torch.randn(1, 3, 16), torch.ones(1, 3, dtype=torch.bool)
    >>> steps = StepGenerator(
    ...     rows,
    ...     reader,
    ...     context,
    ...     Sampler([0]),
    ...     torch.tensor([5]),
    ...     ends=False,
    ... )
    >>> len(list(steps)), reader.passes  # 5 + 3
    (5, 8)
    """

    def __init__(
        self,
        rows,
        reader,
        context,
        sampler,
        max_steps,
        ends=True,
        prompt=None,
        prompt_counts=None,
        condition=None,
        loop_steps=16,
    ):
        batch, device = len(context[0]), context[0].device
        if prompt is None:
            prompt_counts = torch.zeros(batch, dtype=torch.long, device=device)
            shape = batch, 0, rows.num_streams
            prompt = torch.zeros(shape, dtype=torch.long, device=device)
        self.rows, self.reader, self.sampler = rows, reader, sampler
        self.ends, self.condition = ends, condition
        self.prompt, self.before = prompt, prompt_counts.to(device)
        # Steps of each utterance, as far as it is known.
        self.counts = max_steps.to(device).clone()
        self.finished = torch.zeros(batch, dtype=torch.bool, device=device)
        self.loops = LoopDetector(batch, loop_steps, device)
        self.drawn = []  # rows of the delayed matrix, [B, S] each
        self.hidden = []  # of BOS and the prompt, then of drawn rows
        shape = rows.num_streams, batch, rows.vocab_size + 2
        self.seen = torch.zeros(shape, dtype=torch.bool, device=device)
        self.new = self._start(*context)

    def __iter__(self):
        """Yield steps of all utterances.

        Yields
        ------
        tuple of torch.Tensor
            Tokens int64 [B, S]; bool [B], which utterances have this step; and
            bool [B], which of them ended with an end token.
        """
        # Without delay, whether a step is the last one takes another row.
        lag = max(1, self.rows.lag) if self.ends else self.rows.lag
        place = 0
        while True:
            while len(self.drawn) <= place + lag:
                # The last streams of the last step need no EOS.
                if place >= int(self.counts.max()) and self.drawn:
                    return
                self._next_row()
            active = place < self.counts
            if not active.any():
                return
            step = [
                self.drawn[place + stream * self.rows.delay][:, stream]
                for stream in range(self.rows.num_streams)
            ]
            yield torch.stack(step, 1), active, self.finished.clone()
            place += 1

    # Results, available after all steps

    def rest(self):
        """The last row, if it belongs to the sequence and was not read yet.

        Vectors [B, 0 or 1, D], and bool of the same size without D.
        """
        vectors, real = self.new
        kept = slice(0 if bool(real.any()) else 1, None)
        return vectors[:, kept], real[:, kept]

    def states(self):
        """Hidden states of all steps, the prompt's included: [B, P + T, D].

        Also how many steps each utterance has, int64 [B]. The state of a step is
        that of the row with its last stream. Reading the last row takes a pass, if
        it was not read yet.
        """
        if self.new[1].any():
            self._read()
        hidden = torch.cat(self.hidden, dim=1)
        counts = self.before + self.counts
        # Padding, BOS, and rows in which the last stream has not begun.
        first = self.prompt.shape[1] - self.before + 1 + self.rows.lag
        steps = torch.arange(int(counts.max()), device=counts.device)
        index = (first[:, None] + steps).clamp(max=hidden.shape[1] - 1)
        return hidden.take_along_dim(index[..., None], dim=1), counts

    # Rows

    def _start(self, vectors, real):
        """Context, BOS and the prompt's rows, padded on the left."""
        steps = self.prompt.shape[1]
        rows, counted = self.rows.arrange(self.prompt, self.before, ends=False)
        self.seen.scatter_(2, rows.permute(2, 0, 1), counted.permute(2, 0, 1))
        block = self.rows.inputs(rows[:, :steps])
        places = torch.arange(steps + 1, device=rows.device)
        block = block + self._condition(places.expand(len(rows), -1))
        block = pad_left(block, places <= self.before[:, None])
        pairs = zip((vectors, real), block)
        return tuple(torch.cat(pair, dim=1) for pair in pairs)

    def _condition(self, places):
        """Condition of the rows at positions [B, R]; 0 is BOS."""
        if self.condition is None:
            return 0.0
        index = places.clamp(max=self.condition.shape[1] - 1)
        return self.condition.take_along_dim(index[..., None], dim=1)

    def _read(self):
        """Read new vectors; returns the last hidden states, [B, D]."""
        hidden = self.reader.read(*self.new)
        own = hidden if self.drawn else hidden[:, -self.prompt.shape[1] - 1 :]
        self.hidden.append(own)
        return hidden[:, -1]

    @torch.no_grad()
    def _next_row(self):
        """Sample a token of each stream."""
        hidden, place = self._read(), len(self.drawn)
        ids = [
            self._sample(hidden, stream, place)
            for stream in range(self.rows.num_streams)
        ]
        self.drawn.append(torch.stack(ids, dim=1))
        if self.ends:
            self._look_for_ends(ids[0], place)
        places = (self.before + 1 + place)[:, None]
        vectors = self.rows.embed(self.drawn[-1][:, None], places)
        real = (place < self.counts + self.rows.lag)[:, None]
        self.new = vectors + self._condition(places), real

    def _sample(self, hidden, stream, place):
        """Ids [B] of one stream in a row."""
        rows = self.rows
        step = place - stream * rows.delay
        if step < 0:  # of the prompt, or before there is any
            return self._given(stream, step)
        logits = rows.heads[stream](hidden).float()
        logits[:, rows.bos] = -torch.inf
        # The first stream predicts the end of speech.
        if stream or step == 0 or not self.ends:
            logits[:, rows.eos] = -torch.inf
        position = place * rows.num_streams + stream
        ids = self.sampler.draw(logits, self.seen[stream], position)
        ids = torch.where(step < self.counts, ids, rows.eos)
        self.seen[stream].scatter_(1, ids[:, None], True)
        return ids

    def _given(self, stream, step):
        """Ids [B] of a stream, ``-step`` steps before the end of the prompt."""
        ids = F.pad(self.prompt[..., stream], (1, 0), value=self.rows.bos)
        index = (1 + self.before + step).clamp(min=0)
        return ids.gather(1, index[:, None])[:, 0]

    def _look_for_ends(self, first, place):
        """Record utterances whose first stream has ended or repeats itself."""
        open_ = place < self.counts
        ended = open_ & (first == self.rows.eos)
        self.finished |= ended
        looped = self.loops(first[:, None]) & open_ & ~ended
        self.counts = torch.where(ended, place, self.counts)
        self.counts = torch.where(looped, place + 1, self.counts)
