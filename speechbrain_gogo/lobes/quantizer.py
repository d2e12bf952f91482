"""Finite scalar quantization, from the vector-quantize-pytorch library.

It stands here under a name of this package so that a model's YAML need not
name code from anywhere else (see inference/loading.py), and to add what small
models need: their projections are standardized, so that all levels are used.
"""

import torch
import vector_quantize_pytorch
from torch import nn


class Standardize(nn.Module):
    """Zero mean and a given deviation at each position, without parameters.

    The statistics run along while gradients are computed in training. What
    goes through is standardized by them, never by those of its own batch: a
    batch is a few voices at a few levels, and the decoder could not know
    what standardizing by them took away. (A pretrained codec is put into
    training mode with whatever model holds it; its tokens stay the same.)
    Of several processes, all take the statistics of the first, as DDP hands
    its buffers on.

    Arguments
    ---------
    num_positions : int
        Positions K, each with its own statistics.
    dim : int
        Dimension of what is standardized.
    deviation : float
        Standard deviation of what comes out.
    momentum : float
        Weight of a batch in the running statistics.

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
        out = (z - mean) * (variance + 1e-5).rsqrt() * self.deviation
        if self.training and torch.is_grad_enabled() and len(z) > 0:
            # Around the running mean: batches differ in theirs, and that is
            # part of the variance.
            _follow(variance, (z - mean).square().mean(0), self.momentum)
            _follow(mean, z.mean(0), self.momentum)
        return out


class FSQ(vector_quantize_pytorch.FSQ):
    """Rounds each of a few projected dimensions to a few levels.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension; their product is the vocabulary.
    dim : int
        Dimension of the features before and after.
    standardized_positions : int
        Standardize the projections of so many positions, K. Trained fast,
        plain projections grow into the flat ends of the quantizer's tanh,
        where a dimension has two levels left and no gradient. None is plain
        FSQ.
    standardized_deviation : float
        To what deviation. At 0.6 the levels, equal steps behind the tanh, lie
        where they quantize a Gaussian with the least error; at 1 they are
        used about equally often.

    Example
    -------
    >>> q, tokens = FSQ([8, 8, 8, 5, 5], dim=16)(torch.randn(2, 10, 16))
    >>> q.shape, tokens.shape, FSQ([8, 8, 8, 5, 5], dim=16).codebook_size
    (torch.Size([2, 10, 16]), torch.Size([2, 10]), 12800)
    """

    def __init__(
        self,
        levels,
        dim,
        standardized_positions=None,
        standardized_deviation=1.0,
    ):
        super().__init__(levels=list(levels), dim=dim)
        self.deviation = standardized_deviation
        if standardized_positions is not None:
            self.project_in = nn.Sequential(
                self.project_in,
                Standardize(
                    standardized_positions, len(levels), standardized_deviation
                ),
            )


def _follow(running, value, momentum):
    """Move a running statistic; what is not finite leaves it alone."""
    value = value.detach()
    running.lerp_(torch.where(value.isfinite(), value, running), momentum)
