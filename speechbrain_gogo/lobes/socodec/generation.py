"""Generation with the multi-stream language model (Section 4.2, Eq. 5).

Every forward pass gives a row of the delayed matrix: a token of each stream,
of steps that lie d apart. An utterance of N steps takes N + (S - 1) * d passes
(one more without delay: its end is a row of its own).

Letters: B batch, S streams, N steps.
"""

import torch

from speechbrain_gogo.lobes.speech.cached_gpt2 import CachedGPT2
from speechbrain_gogo.lobes.speech.loop_detector import LoopDetector


class StreamGenerator:
    """Generates token steps one by one.

    ``passes`` counts forward passes.

    Arguments
    ---------
    lm : MultiStreamLM
        In evaluation mode.
    reference : torch.Tensor
        Embeddings [B, reference_dim].
    text : torch.Tensor
        int64 [B, L].
    text_lens : torch.Tensor
        Relative lengths [B] over L.
    sampler : Sampler
        With one seed for each utterance.
    max_groups : torch.Tensor
        Most steps of each utterance, int64 [B].
    loop_groups : int
        Steps for which a cycle has to repeat to be cut off.

    Example
    -------
    >>> from speechbrain_gogo.lobes.socodec.multi_stream_lm import MultiStreamLM
    >>> from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
    >>> lm = MultiStreamLM(9, 16, 4, 8, dim=16, num_layers=1, num_heads=2)
    >>> generator = StreamGenerator(
    ...     lm.eval(),
    ...     torch.randn(1, 8),
    ...     torch.randint(9, (1, 3)),
    ...     torch.ones(1),
    ...     Sampler([0]),
    ...     torch.tensor([5]),
    ... )
    >>> steps = [tokens for tokens, active, _ in generator if active[0]]
    >>> len(steps) <= 5
    True
    """

    def __init__(
        self,
        lm,
        reference,
        text,
        text_lens,
        sampler,
        max_groups,
        loop_groups=16,
    ):
        self.lm, self.sampler = lm, sampler
        self.max_groups = max_groups.to(text.device)
        batch, device = len(text), text.device
        self.inputs, self.real = lm.embed_prefix(reference, text, text_lens)
        self.rows = []  # of the delayed matrix, [B, S] each
        ids = lm.vocab_size + 2
        self.seen = torch.zeros(
            lm.num_streams, batch, ids, dtype=torch.bool, device=device
        )
        self.ends = self.max_groups.clone()  # steps of each utterance
        self.finished = torch.zeros(batch, dtype=torch.bool, device=device)
        self.loops = LoopDetector(batch, loop_groups, device)
        rows = int(self.max_groups.max()) + (lm.num_streams - 1) * lm.delay + 1
        longest = self.inputs.shape[1] + rows
        self.decoder = CachedGPT2(lm.gpt, batch, longest)
        self.passes = 0

    def __iter__(self):
        """Yield steps of all utterances.

        Yields
        ------
        tuple of torch.Tensor
            Tokens int64 [B, S]; bool [B], which utterances have this step;
            and bool [B], which of them have come to an end by themselves.
        """
        # Without delay, whether a step is the last one takes another row.
        lag = max(1, (self.lm.num_streams - 1) * self.lm.delay)
        place = 0
        while True:
            while len(self.rows) <= place + lag:
                # The last streams of the last step need no EOS.
                if place >= int(self.ends.max()) and self.rows:
                    return
                self._next_row()
            active = place < self.ends
            if not active.any():
                return
            step = [
                self.rows[place + stream * self.lm.delay][:, stream]
                for stream in range(self.lm.num_streams)
            ]
            yield torch.stack(step, 1), active, self.finished.clone()
            place += 1

    @torch.no_grad()
    def _next_row(self):
        """Sample a token of each stream."""
        lm, place = self.lm, len(self.rows)
        last = (
            self.rows[-1]
            if self.rows
            else torch.full_like(self.ends, lm.bos)[:, None].expand(
                -1, lm.num_streams
            )
        )
        inputs = lm.embed_rows(last[:, None], place)
        padding = None
        if not place:  # the prefix goes with the first row
            inputs = torch.cat([self.inputs, inputs], dim=1)
            padding = (~self.real).sum(1)
        self.passes += 1
        hidden = self.decoder.step(inputs, padding=padding)[:, -1]
        self.rows.append(
            torch.stack(
                [
                    self._sample(hidden, stream, place)
                    for stream in range(lm.num_streams)
                ],
                dim=1,
            )
        )
        self._look_for_ends(self.rows[-1][:, 0], place)

    def _sample(self, hidden, stream, place):
        """Ids [B] of one stream in a row."""
        lm = self.lm
        step = place - stream * lm.delay
        if step < 0:
            return torch.full_like(self.ends, lm.bos)
        logits = lm.heads[stream](hidden).float()
        logits[:, lm.bos] = -torch.inf
        if stream or step == 0:  # the first stream says where speech ends
            logits[:, lm.eos] = -torch.inf
        position = place * lm.num_streams + stream
        ids = self.sampler.draw(logits, self.seen[stream], position)
        ids = torch.where(step < self.ends, ids, lm.eos)
        self.seen[stream].scatter_(1, ids[:, None], True)
        return ids

    def _look_for_ends(self, first, place):
        """Note utterances whose first stream has ended, or repeats itself."""
        open_ = place < self.ends
        ended = open_ & (first == self.lm.eos)
        self.finished |= ended
        looped = self.loops(first[:, None]) & open_ & ~ended
        self.ends = torch.where(ended, place, self.ends)
        self.ends = torch.where(looped, place + 1, self.ends)
