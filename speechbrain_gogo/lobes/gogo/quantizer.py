"""Finite scalar quantization (Mentzer et al., 2023), Gogo's quantizer.

Quantizers give quantized features q and tokens, and have what a codec needs:
``tokens_per_feature``; ``residual``, whether the features of a group's tokens
are summed; and ``signature``, the settings on which the tokens depend besides
the weights. ``commitment`` is a loss of the last forward pass in training, or
None.

FSQ gives the same as that of vector-quantize-pytorch, which takes seconds to
import; a test compares them.

Letters: B batch, N groups, M groups of all utterances, K tokens per group, J
dimensions that are rounded, D width of features.
"""

import math

import torch
from torch import nn

LARGEST_VOCABULARY = 2**24  # up to which float32, which sums tokens, is exact


class FSQ(nn.Module):
    """Rounds each of a few projected dimensions to a few levels.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension; their product is the vocabulary.
    dim : int
        Dimension of the features before and after.

    Raises
    ------
    ValueError
        If a dimension has fewer than two levels, or the vocabulary is too large
        for tokens to be exact.

    Example
    -------
    >>> q, tokens = FSQ([8, 8, 8, 5, 5], dim=16)(torch.randn(2, 10, 16))
    >>> q.shape, tokens.shape, FSQ([8, 8, 8, 5, 5], dim=16).codebook_size
    (torch.Size([2, 10, 16]), torch.Size([2, 10]), 12800)
    """

    tokens_per_feature = 1
    residual = False
    commitment = None

    def __init__(self, levels, dim):
        super().__init__()
        self.levels, self.dim = list(levels), dim
        self.codebook_size = math.prod(levels)
        if min(levels) < 2 or self.codebook_size > LARGEST_VOCABULARY:
            raise ValueError(
                f"FSQ with levels {self.levels}: give each dimension at least "
                f"2 levels, and at most {LARGEST_VOCABULARY} codes together."
            )
        counts = torch.tensor(self.levels, dtype=torch.int32)
        # The first dimension varies fastest.
        steps = torch.tensor([1, *self.levels[:-1]]).cumprod(0).int()
        self.register_buffer("counts", counts, persistent=False)  # [J]
        self.register_buffer("steps", steps, persistent=False)  # [J]
        narrow = len(self.levels)
        self.project_in = self.project_out = nn.Identity()
        if dim != narrow:
            self.project_in = nn.Linear(dim, narrow)
            self.project_out = nn.Linear(narrow, dim)

    @property
    def signature(self):
        """Settings on which the tokens depend, besides the weights."""
        return (self.levels,)

    def forward(self, features):
        """Features [M, K, D], quantized, and tokens int32 [M, K].

        Gradients pass through the rounding.
        """
        z = self.bound(self.project_in(features).float())  # [M, K, J]
        rounded = z + (z.round() - z).detach()
        half = self.counts // 2
        # Rounded as in the library: tokens of trained models stay the same.
        codes = rounded / half
        digits = codes * half + half
        tokens = (digits * self.steps).sum(-1).round().int()
        return self.project_out(codes.to(features)), tokens

    def bound(self, z):
        """Squash a projection to the range of its levels, [..., J]."""
        half = (self.counts - 1) * 1.001 / 2
        offset = torch.where(self.counts % 2 == 0, 0.5, 0.0)
        return (z + (offset / half).atanh()).tanh() * half - offset

    def points(self, tokens):
        """Tokens int64 [...] as points between -1 and 1, [..., J]."""
        half = self.counts // 2
        digits = tokens.unsqueeze(-1) // self.steps % self.counts
        return (digits - half) / half

    def embed(self, tokens):
        """int64 [...] -> quantized features [..., D]."""
        return self.project_out(self.points(tokens))
