"""Generation with the language models of CoFi-Speech (Section II-B).

Scales are generated from coarse to fine, each after the tokens of a prompt. The
coarsest scale predicts the end of speech. A group is returned as soon as the
finest scale has generated it.

Number of forward passes: sum_i (N p_i + (S_i - 1) d) for all tokens, with N
groups, I scales, p_i steps per group and S_i streams of scale i, and a delay d.
Further passes predict the end of speech:

- a chain of scales takes one, for its coarsest scale, if that has no delay;
- a stack of scales takes I - 1, one for each scale but the last: that pass reads
  the scale's last step, whose hidden state the next scale needs as well;
- a single scale takes one, if it has no delay.
"""

import torch

from speechbrain_gogo.lobes.nn.lengths import count_steps
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.decoding.cached_gpt2 import CachedGPT2
from speechbrain_gogo.lobes.speech.streams.step_generator import StepGenerator


class ScaleGenerator:
    """Generates groups of tokens.

    Arguments
    ---------
    lm : ScaleLM
        In evaluation mode.
    reference : torch.Tensor
        Embeddings [B, reference_dim].
    text : tuple of torch.Tensor
        Text of the prompt and text to synthesize, int64 [B, L], and its relative
        lengths [B].
    prompt : tuple of torch.Tensor
        int64 [B, P, K], P may be 0, and its relative lengths [B].
    seeds : list of int
        One for each utterance.
    max_groups : torch.Tensor
        Largest number of groups of each utterance, int64 [B].
    loop_groups : int
        An utterance is cut off if a cycle of the coarsest scale repeats for
        this many groups.
    **sampling
        Arguments of
        :class:`~speechbrain_gogo.lobes.speech.cached_decoding.Sampler`.

    Example
    -------
    >>> from speechbrain_gogo.lobes.cofi.chain_of_scales import ChainOfScales
    >>> lm = ChainOfScales(
    ...     30, 64, [1, 3, 6], [1, 1, 4], 8, dim=16, num_layers=1, num_heads=2
    ... )
    >>> generator = ScaleGenerator(
    ...     lm.eval(),
    ...     torch.randn(1, 8),
    ...     (torch.randint(30, (1, 5)), torch.ones(1)),
    ...     (torch.randint(64, (1, 2, 28)), torch.ones(1)),
    ...     seeds=[0],
    ...     max_groups=torch.tensor([4]),
    ... )
    >>> groups = [tokens for tokens, _, _ in generator]
    >>> groups[0].shape, generator.passes == 10 * len(groups) + 4
    (torch.Size([1, 28]), True)
    """

    def __init__(
        self,
        lm,
        reference,
        text,
        prompt,
        seeds,
        max_groups,
        loop_groups=16,
        **sampling,
    ):
        self.lm, self.reference, self.text = lm, reference, text
        prompt, lens = prompt
        self.prompts = lm.levels.unpack(prompt)  # [B, P * p, S] each
        self.prompt_counts = count_steps(lens, prompt.shape[1])
        self.max_groups, self.loop_groups = max_groups, loop_groups
        count = len(lm.levels)
        self.samplers = [
            Sampler(
                [(count * seed + number) % 2**63 for seed in seeds], **sampling
            )
            for number in range(count)
        ]
        self.readers = []

    @property
    def passes(self):
        """Forward passes so far, of all language models."""
        return sum(reader.passes for reader in self.readers)

    @torch.no_grad()
    def __iter__(self):
        """Yield groups of all utterances.

        Yields
        ------
        tuple of torch.Tensor
            Tokens int64 [B, K]; bool [B], which utterances have this group; and
            bool [B], which of them ended with an end token.
        """
        lm, generator, coarser = self.lm, None, []
        for number in range(len(lm.levels) - 1):
            generator = self._scale(number, generator, coarser)
            steps = [tokens for tokens, _, _ in generator]
            coarser.append((generator, torch.stack(steps, dim=1)))
        last = self._scale(len(lm.levels) - 1, generator, coarser)
        yield from self._groups(last, [tokens for _, tokens in coarser])

    def _scale(self, number, previous, coarser):
        """The generator of a scale's steps."""
        lm, level = self.lm, self.lm.levels[number]
        if previous is None:
            start = {
                "reader": CachedGPT2(lm.gpts[0], len(self.reference)),
                "context": lm.prefix(self.reference, *self.text),
            }
            most, self.finished = self.max_groups, None
        else:
            start = lm.follow(previous, number)
            first = coarser[0][0]
            most, self.finished = first.counts * level.steps, first.finished
        if start["reader"] not in self.readers:
            self.readers.append(start["reader"])
        return StepGenerator(
            lm.scales[number],
            **start,
            sampler=self.samplers[number],
            max_steps=most,
            ends=previous is None,
            prompt=self.prompts[number],
            prompt_counts=self.prompt_counts * level.steps,
            loop_steps=self.loop_groups,
        )

    def _groups(self, last, coarser):
        """Groups, assembled from the steps of all scales."""
        levels, steps = self.lm.levels, []
        for tokens, active, finished in last:
            steps.append(tokens)
            size = levels[-1].steps
            if len(steps) % size:
                continue
            place = len(steps) // size - 1
            parts = [
                part[:, place * level.steps : (place + 1) * level.steps]
                for part, level in zip(coarser, levels)
            ]
            parts.append(torch.stack(steps[-size:], dim=1))
            ended = finished if self.finished is None else self.finished
            yield levels.pack(parts)[:, 0], active, ended.clone()
