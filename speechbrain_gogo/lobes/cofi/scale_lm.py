"""Base class of both language models of CoFi-Speech (Section II-B).

A reference embedding and text are followed by the scales of a token matrix,
from the coarsest on. Each scale is a sequence of rows with its own embeddings,
positions and output layers. Within a scale, each stream is one step later than
the preceding one ("delay"). The coarsest scale has an EOS; the lengths of the
others follow from the rates.

chain_of_scales.py reads all scales with one GPT-2, stack_of_scales.py with one
GPT-2 each.

Letters: B batch, L text ids, N groups, K tokens per group, T steps of a scale, D
width.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.lengths import count_steps
from speechbrain_gogo.lobes.speech.streams.gpt import TextPrefix
from speechbrain_gogo.lobes.speech.streams.stream_rows import (
    StreamRows,
    join_losses,
)
from speechbrain_gogo.lobes.tokens.levels import Levels


class ScaleLM(nn.Module):
    """Text and a reference embedding to the scales of a token matrix.

    A subclass makes its GPT-2s and implements ``hidden_states`` and ``follow``.

    Arguments
    ---------
    text_size : int
        Text ids.
    vocab_size : int
        Tokens of a stream.
    steps, streams : list of int
        Steps per group, and streams, of each scale; the coarsest scale, which
        is the first, has one step.
    reference_dim : int
        Width of the reference embedding.
    dim, num_layers, num_heads : int
        Dimension, number of layers and number of heads of each GPT-2.
    delay : int
        Delay of each stream to the preceding one, in steps.
    text_positions, group_positions : int
        Largest numbers of text ids and of groups, prompts included.
    dropout : float
        Dropout probability of each GPT-2.
    """

    def __init__(
        self,
        text_size,
        vocab_size,
        steps,
        streams,
        reference_dim,
        dim=1024,
        num_layers=12,
        num_heads=16,
        delay=1,
        text_positions=512,
        group_positions=256,
        dropout=0.1,
    ):
        super().__init__()
        self.sizes = {  # arguments, for the export
            "text_size": text_size,
            "vocab_size": vocab_size,
            "steps": list(steps),
            "streams": list(streams),
            "reference_dim": reference_dim,
            "dim": dim,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "delay": delay,
            "text_positions": text_positions,
            "group_positions": group_positions,
            "dropout": dropout,
        }
        pairs = list(zip(steps, steps[1:]))
        if steps[0] != 1 or any(fine % coarse for coarse, fine in pairs):
            raise ValueError(
                f"Scales of {list(steps)} steps per group: the first needs one "
                "step, and each as many as the preceding one, or a multiple."
            )
        self.levels = Levels(steps, streams)
        self.vocab_size = vocab_size
        self.text_positions = text_positions
        self.group_positions = group_positions
        self.dim = dim
        self.prefix = TextPrefix(reference_dim, text_size, dim, text_positions)
        self.scales = nn.ModuleList()
        for level in self.levels:
            rows = level.steps * group_positions
            rows += (level.streams - 1) * delay + 1  # and BOS
            scale = StreamRows(vocab_size, level.streams, dim, rows, delay)
            self.scales.append(scale)

    @property
    def ratios(self):
        """Steps of each scale per step of the preceding scale."""
        steps = [level.steps for level in self.levels]
        return [fine // coarse for coarse, fine in zip(steps, steps[1:])]

    def hidden_states(self, prefix, scales):
        """Hidden states of whole sequences, [B, R, D] of each scale.

        ``prefix`` has vectors [B, 1 + L, D] and which are real, bool [B, 1 + L].
        ``scales`` has, for each, vectors of BOS and its rows, [B, R, D], and how
        many steps each utterance has, int64 [B].
        """
        raise NotImplementedError

    def follow(self, previous, number):
        """The start of the generation of scale ``number``, from 0 on.

        ``previous`` is the finished StepGenerator of the preceding scale. Gives
        ``reader``, ``context`` and ``condition`` of
        :class:`~speechbrain_gogo.lobes.speech.streams.step_generator.StepGenerator`.
        """
        raise NotImplementedError

    def parts(self, num_ids, num_groups):
        """Names and sizes of the parts that each GPT-2 reads, a list for each.

        For an utterance of ``num_ids`` text ids and ``num_groups`` groups.
        """
        raise NotImplementedError

    def _sizes(self, num_ids, num_groups):
        """Names and sizes of the prefix, and those of the scales."""
        prefix = [("reference", 1), ("text", num_ids)]
        scales = []
        for level, scale in zip(self.levels, self.scales):
            rows = num_groups * level.steps + scale.lag + 1  # and BOS
            scales.append((f"scale {level.name}", rows))
        return prefix, scales

    def real_rows(self, scale, counts, size):
        """Which of ``size`` vectors, BOS and rows, belong to utterances."""
        places = torch.arange(size, device=counts.device)
        return places <= (counts + scale.lag)[:, None]  # [B, R]

    def forward(self, reference, text, text_lens, tokens, lens):
        """Losses of a padded batch, a dict.

        Reference and text are those of TextPrefix.forward; tokens are int64
        [B, N, K] with relative lengths [B]. Gives "loss", the cross-entropy averaged
        over the streams of a scale and over the scales; "nll" [P], of each token and
        EOS; "level" int64 [P], its stream, counted from the coarsest scale on.
        """
        groups = count_steps(lens, tokens.shape[1])
        parts, arranged = [], []
        levels = zip(self.scales, self.levels, self.levels.unpack(tokens))
        for number, (scale, level, steps) in enumerate(levels):
            counts, ends = groups * level.steps, number == 0
            rows, counted = scale.arrange(steps, counts, ends)
            # EOS is predicted, but not read.
            read = rows[:, :-1] if ends else rows
            parts.append((scale.inputs(read), counts))
            arranged.append((rows, counted))
        prefix = self.prefix(reference, text, text_lens)
        losses = []
        hidden = self.hidden_states(prefix, parts)
        for scale, states, pair in zip(self.scales, hidden, arranged):
            # Nothing is predicted after the last row.
            states = states[:, : pair[0].shape[1]]
            losses.append(scale.losses(states, *pair))
        return join_losses(losses)


def make_scale_lm(kind, **sizes):
    """ChainOfScales or StackOfScales of given sizes, for YAMLs.

    Another YAML can override the class alone and keep all sizes.
    """
    return kind(**sizes)
