"""Passes of the stages with one position per group, as functions without state.

As steps.py, for group_stage1.py and group_stage2.py: a large pass for each group
and small ones for its tokens.

Letters: B batch, T new positions, S cached positions, K tokens per group, b tokens
of the backbone, D width, C codes.
"""

from torch import nn

from speechbrain_gogo.lobes.speech.decoding.stateless_llama import (
    StatelessLlama,
)
from speechbrain_gogo.lobes.speech.decoding.steps import DepthStep


class GroupText(nn.Module):
    """The pass of a GroupBackboneLM over ids: text and start, before the speech.

    ``lm`` is in evaluation mode; the Llama's weights are fused in place.
    """

    def __init__(self, lm):
        super().__init__()
        self.embedding, self.end = lm.text, lm.end
        self.blocks = StatelessLlama(lm.llama)

    def forward(self, ids, padding, keys, values):
        """Vector from which the next group is predicted, for ids int64 [B, T].

        ``padding``, ``keys`` and ``values`` are those of StatelessLlama. Returns
        the hidden state of the last position, [B, D]; the score of the end,
        [B, 1]; keys and values.
        """
        x, keys, values = self.blocks.read(
            self.embedding(ids), padding, keys, values
        )
        return x[:, -1], self.end(x[:, -1]), keys, values


class GroupBackboneStep(nn.Module):
    """The pass of a GroupBackboneLM over groups.

    Arguments
    ---------
    lm : GroupBackboneLM
        In evaluation mode.
    blocks : StatelessLlama
        Those of the :class:`GroupText`.

    Example
    -------
    >>> import torch
    >>> from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
    >>> lm = GroupBackboneLM(50, [4, 3], dim=16, num_layers=1, num_heads=2)
    >>> text, groups = torch.randint(50, (1, 6)), torch.randint(12, (1, 4, 3))
    >>> one = torch.ones(1)
    >>> real = torch.ones(1, 4, dtype=torch.bool)
    >>> x, position, _ = lm.eval().sequence(text, one, groups, real)
    >>> expected = lm.llama(x, position=position)[:, -1].detach()
    >>> ids, _ = lm.prefix(text, one)
    >>> read = GroupText(lm)
    >>> step, padding = GroupBackboneStep(lm, read.blocks), torch.tensor([0])
    >>> none = torch.zeros(step.blocks.cache_shape(1, 0))
    >>> _, _, *cache = read(ids, padding, none, none)
    >>> found, _, *cache = step(groups, position[:, -4:], padding, *cache)
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """

    def __init__(self, lm, blocks):
        super().__init__()
        self.groups, self.end = lm.groups, lm.end
        self.blocks = blocks

    def forward(self, before, position, padding, keys, values):
        """Vector from which the next group is predicted, as :class:`GroupText`.

        ``before`` are the preceding groups, int64 [B, T, b], ``position`` their
        rotary positions, int64 [B, T]: the first group has the number of ids, and
        each further one ``group_stride`` more.
        """
        x = self.groups.total(before)
        x, keys, values = self.blocks.read(x, padding, keys, values, position)
        return x[:, -1], self.end(x[:, -1]), keys, values


class GroupDetailStep(nn.Module):
    """The pass of a GroupDetailLM (Stage II).

    Arguments
    ---------
    lm : GroupDetailLM
        In evaluation mode. The Llama's weights are fused in place.

    Example
    -------
    >>> import torch
    >>> from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM
    >>> lm = GroupDetailLM([4, 3], dim=16, num_layers=1, num_heads=2).eval()
    >>> tokens = torch.randint(12, (1, 4, 10))
    >>> expected = lm.llama(lm.sequence(tokens))[:, -1].detach()
    >>> step, padding = GroupDetailStep(lm), torch.tensor([0])
    >>> none = torch.zeros(step.blocks.cache_shape(1, 0))
    >>> nothing = torch.full((1, 1, 10), 12)
    >>> before = torch.cat([nothing, tokens[:, :-1]], dim=1)
    >>> found, *cache = step(before, tokens[..., :3], padding, none, none)
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """

    def __init__(self, lm):
        super().__init__()
        self.groups, self.backbones = lm.groups, lm.backbones
        self.blocks = StatelessLlama(lm.llama)

    def forward(self, before, backbone, padding, keys, values):
        """Vector from which the fine tokens of the last group are predicted.

        ``before`` are the preceding groups, int64 [B, T, K], C where a token is
        missing, ``backbone`` those of the groups, int64 [B, T, b]. ``padding``,
        ``keys`` and ``values`` are those of StatelessLlama. Returns the hidden
        state of the last position, [B, D], keys and values.
        """
        x = self.groups.total(before) + self.backbones.total(backbone)
        x, keys, values = self.blocks.read(x, padding, keys, values)
        return x[:, -1], keys, values


class FineStep(DepthStep):
    """A small pass: the next fine token of a group whose backbone is given."""

    def forward(self, hidden, tokens, fine):
        """As :class:`DepthStep`; ``fine``, int64 [1], counts the fine tokens so far."""
        return super().forward(hidden, tokens, fine + self.depth.first)
