"""Finite scalar quantization, from the vector-quantize-pytorch library.

It stands here under a name of this package so that a model's YAML need not
name code from anywhere else (see inference/loading.py), and to add what small
models need: their projections are standardized, so that all levels are used.
"""

import torch
import vector_quantize_pytorch
from torch import nn


class Standardize(nn.Module):
    """Zero mean and unit variance at each position, without parameters.

    Statistics are the batch's own while gradients are computed in training,
    and running ones otherwise, where nothing depends on what else is in a
    batch. (A pretrained codec is put into training mode with whatever model
    holds it; its tokens must stay the same.)

    Arguments
    ---------
    num_positions : int
        Positions K, each with its own statistics.
    dim : int
        Dimension of what is standardized.
    momentum : float
        Weight of a batch in the running statistics.

    Example
    -------
    >>> z = Standardize(10, 5)(3 + 2 * torch.randn(1000, 10, 5))
    >>> bool(z.mean().abs() < 0.01), bool((z.std() - 1).abs() < 0.01)
    (True, True)
    """

    def __init__(self, num_positions, dim, momentum=0.02):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_positions, dim))
        self.register_buffer("variance", torch.ones(num_positions, dim))

    def forward(self, z):
        """z [M, K or fewer, dim] -> the same, standardized over M."""
        learning = self.training and torch.is_grad_enabled()
        if learning and len(z) > 1:
            mean, variance = z.mean(0), z.var(0)
            _follow(self.mean, mean, self.momentum)
            _follow(self.variance, variance, self.momentum)
        else:
            count = z.shape[1]
            mean, variance = self.mean[:count], self.variance[:count]
        return (z - mean) * (variance + 1e-5).rsqrt()


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

    Example
    -------
    >>> q, tokens = FSQ([8, 8, 8, 5, 5], dim=16)(torch.randn(2, 10, 16))
    >>> q.shape, tokens.shape, FSQ([8, 8, 8, 5, 5], dim=16).codebook_size
    (torch.Size([2, 10, 16]), torch.Size([2, 10]), 12800)
    """

    def __init__(self, levels, dim, standardized_positions=None):
        super().__init__(levels=list(levels), dim=dim)
        if standardized_positions is not None:
            self.project_in = nn.Sequential(
                self.project_in,
                Standardize(standardized_positions, len(levels)),
            )


def _follow(running, value, momentum):
    """Move a running statistic; what is not finite leaves it alone."""
    value = value.detach()
    running.lerp_(torch.where(value.isfinite(), value, running), momentum)
