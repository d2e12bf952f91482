"""FSQ whose projections are standardized, so that all levels stay in use.

With a high learning rate, plain projections grow into the flat ends of the
quantizer's tanh, where a dimension has only two levels and no gradient. An
option in a model's YAML; the paper has plain FSQ.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.gogo.quantizer import FSQ


class Standardize(nn.Module):
    """Zero mean and a given deviation at each position, without parameters.

    Running statistics, K x ``dim`` of them for K positions, are updated when
    gradients are computed in training, from two or more groups; ``momentum`` is
    the weight of a batch. Features are always standardized by the running
    statistics: a batch has few voices and loudness levels, and the decoder
    could not undo a standardization by its statistics. Gradients are those of
    batch normalization (batch renormalization, Ioffe 2017); otherwise the input
    would grow without bound. A pretrained codec within another model keeps its
    tokens in training mode, because no gradients are computed. With several
    processes, all use the statistics of the first, whose buffers DDP
    broadcasts.

    Example
    -------
    >>> norm = Standardize(10, 5)
    >>> for _ in range(500):
    ...     z = norm(3 + 2 * torch.randn(100, 10, 5))
    >>> bool(z.mean().abs() < 0.1), bool((z.std() - 1).abs() < 0.1)
    (True, True)
    """

    def __init__(self, num_positions, dim, deviation=1.0, momentum=0.02):
        super().__init__()
        self.deviation = deviation
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_positions, dim))
        self.register_buffer("variance", torch.ones(num_positions, dim))

    def forward(self, z):
        """z [M, K or fewer, dim] -> the same, standardized."""
        count = z.shape[1]
        mean, variance = self.mean[:count], self.variance[:count]
        scale = (variance + 1e-5).rsqrt() * self.deviation
        if not (self.training and torch.is_grad_enabled() and len(z) > 1):
            return (z - mean) * scale
        # Values by the running statistics, gradients by those of the batch: a
        # shift or scale of the whole input changes nothing for long, and gets
        # no gradient.
        own = z.mean(0), z.var(0, unbiased=False) + 1e-5
        centre, spread = own[0].detach(), own[1].detach().sqrt()
        out = (z - own[0]) * own[1].rsqrt() * (spread * scale)
        out = out + (centre - mean) * scale
        # Around the running mean: batches differ in theirs, and that is part
        # of the variance.
        _follow(variance, (z - mean).square().mean(0), self.momentum)
        _follow(mean, z.mean(0), self.momentum)
        return out


class StandardizedFSQ(FSQ):
    """FSQ of standardized projections.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension; their product is the vocabulary.
    dim : int
        Dimension of the features before and after.
    num_positions : int
        Positions K of a group; each has statistics of its own.
    deviation : float
        Standard deviation of the projections. At 0.6 the levels, which are
        equidistant after the tanh, quantize a Gaussian with the least error; at
        1 they are used about equally often.

    Example
    -------
    >>> quantizer = StandardizedFSQ([8, 8, 8, 5, 5], 16, 10)
    >>> q, tokens = quantizer(torch.randn(7, 10, 16))
    >>> q.shape, tokens.shape
    (torch.Size([7, 10, 16]), torch.Size([7, 10]))
    """

    def __init__(self, levels, dim, num_positions, deviation=0.6):
        super().__init__(levels, dim)
        self.deviation = deviation
        self.project_in = nn.Sequential(
            self.project_in,
            Standardize(num_positions, len(self.levels), deviation),
        )

    @property
    def signature(self):
        """Settings on which the tokens depend, besides the weights."""
        return self.deviation, self.levels


def _follow(running, value, momentum):
    """Update a running statistic; ignore values that are not finite."""
    value = value.detach()
    running.lerp_(torch.where(value.isfinite(), value, running), momentum)
