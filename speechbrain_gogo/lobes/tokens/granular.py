"""The granularity-ordered token matrix and nested dropout.

Section 3.1.3 and Appendix A of the Gogo paper: nested dropout, which keeps a
prefix of every group's tokens, the retention probability of each granularity
level, and the gradient compensation for levels that are kept less often.
Keeping a prefix is also how a codec decodes at a lower rate
(:func:`keep_prefix`), so training and inference share one operation.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import nn

from speechbrain_gogo.lobes.tokens.levels import Levels


class GranularCodec(ABC):
    """Interface of a granularity-ordered codec.

    Tokens are an int64 matrix [B, N, K]: N groups in time, K tokens per
    group, coarse to fine. ``mask_id == vocab_size`` stands for the masking
    token m of the paper. The K columns are those of ``levels``, of which a
    codec with ``keep=b`` keeps the first b.
    """

    sample_rate: int
    vocab_size: int
    num_codebooks: int
    group_samples: int

    @property
    def mask_id(self):
        """The id of the masking token m."""
        return self.vocab_size

    @property
    def group_rate(self):
        """Groups per second."""
        return self.sample_rate / self.group_samples

    @property
    def token_rate(self):
        """Tokens per second when every token is kept."""
        return self.group_rate * self.num_codebooks

    @property
    def levels(self):
        """The :class:`Levels` of the columns; one level per column by default."""
        return Levels.single_columns(self.num_codebooks)

    # Names of the same numbers in other codecs.

    @property
    def frame_rate(self):
        """Steps of the token matrix per second: groups."""
        return self.group_rate

    @property
    def codebook_size(self):
        """Ids of a codebook, without the masking token."""
        return self.vocab_size

    @property
    def bitrate(self):
        """Bits per second when every token is kept."""
        return self.token_rate * math.log2(self.vocab_size)

    @abstractmethod
    def encode(self, wavs, wav_lens=None):
        """wavs [B, T] -> tokens [B, N, K], relative lengths [B]."""

    @abstractmethod
    def decode(self, tokens, lens=None):
        """tokens [B, N, K] -> wavs [B, N * group_samples]."""


def retention_probability(num_levels):
    """The probability that nested dropout keeps each level (Eq. 14).

    Arguments
    ---------
    num_levels : int
        Tokens per group, n_q.

    Returns
    -------
    torch.Tensor
        p_j = 1 - (j - 1) / n_q, shape [n_q].

    Example
    -------
    >>> retention_probability(4)
    tensor([1.0000, 0.7500, 0.5000, 0.2500])
    """
    return 1.0 - torch.arange(num_levels) / num_levels


def scale_gradient(q, weight):
    """Multiply the gradient of each level by a weight, not its value (Eq. 16).

    Arguments
    ---------
    q : torch.Tensor
        Features, shape [..., K, D].
    weight : torch.Tensor | float
        One factor per level, shape [K], or one for all of any ``q``.

    Returns
    -------
    torch.Tensor
        Equal to ``q``; its gradient is ``weight`` times as large.

    Example
    -------
    >>> q = torch.ones(2, 3, requires_grad=True)
    >>> scale_gradient(q, torch.tensor([0.5, 2.0])).sum().backward()
    >>> q.grad[:, 0]
    tensor([0.5000, 2.0000])
    """
    if torch.is_tensor(weight):
        weight = weight.to(q).unsqueeze(-1)  # [K, 1]
    scaled = weight * q
    return q.detach() + (scaled - scaled.detach())  # the bracket is 0


def prefix_mask(keep, num_levels):
    """Which tokens of groups are the first ones to keep, bool [..., K].

    ``keep`` is their number, a tensor of any shape [...]; K is ``num_levels``.

    Example
    -------
    >>> prefix_mask(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    levels = torch.arange(num_levels, device=keep.device)
    return levels < keep.unsqueeze(-1)


def keep_prefix(tokens, keep, mask):
    """Keep a prefix of each group and put the masking token m in the rest.

    Arguments
    ---------
    tokens : torch.Tensor
        Ids [..., K], or their features [..., K, D].
    keep : int | torch.Tensor
        Number of tokens to keep; a tensor is broadcast over the dimensions
        before K.
    mask : int | torch.Tensor
        The masking token: an id, or its features [D].

    Returns
    -------
    torch.Tensor
        Of the same shape, or of the one that ``keep`` is broadcast to.

    Example
    -------
    >>> keep_prefix(torch.tensor([[5, 6, 7], [5, 6, 7]]), torch.tensor([1, 3]), 9)
    tensor([[5, 9, 9],
            [5, 6, 7]])
    """
    keep = torch.as_tensor(keep, device=tokens.device)
    if torch.is_tensor(mask):
        kept = prefix_mask(keep, tokens.shape[-2]).unsqueeze(-1)
        mask = mask.to(tokens)
    else:
        kept = prefix_mask(keep, tokens.shape[-1])
    return torch.where(kept, tokens, mask)


class NestedDropout(nn.Module):
    """Keeps a random prefix of every group's tokens in training.

    One number n_k per utterance is drawn uniformly from 1..K, the last
    K - n_k tokens of all its groups become the masking token m, and the
    gradients of rarely kept levels are amplified (Section 3.1.3, Appendix A).
    In evaluation it keeps everything.

    Arguments
    ---------
    num_levels : int
        Tokens per group, K.
    mask : torch.Tensor
        The masking token's embedding m, shape [D].

    Example
    -------
    >>> dropout = NestedDropout(4, torch.zeros(2))
    >>> q, n_keep = dropout(torch.ones(3, 5, 4, 2))
    >>> bool((q[:, :, :, 0].sum(-1) == n_keep.unsqueeze(1)).all())
    True
    """

    def __init__(self, num_levels, mask):
        super().__init__()
        self.num_levels = num_levels
        self.mask = mask
        weight = 0.5 / retention_probability(num_levels)  # Eq. (15)
        self.register_buffer("weight", weight, persistent=False)

    def draw(self, q, generator=None):
        """Number of tokens that each utterance keeps, int64 [B]; all in evaluation.

        ``q`` are features [B, N, K, D], on whose device the result is. The generator
        is on the CPU; torch's global one by default.
        """
        batch, most = (len(q),), self.num_levels
        if not self.training:
            return torch.full(batch, most, device=q.device)
        draw = torch.randint(1, most + 1, batch, generator=generator)
        return draw.to(q.device)

    def forward(self, q, n_keep=None, generator=None):
        """Drop the fine end of every group.

        Arguments
        ---------
        q : torch.Tensor
            Quantized features, shape [B, N, K, D].
        n_keep : torch.Tensor
            int64 [B], number of tokens to keep; drawn if not given.
        generator : torch.Generator
            Random generator; torch's global one by default.

        Returns
        -------
        tuple of torch.Tensor
            q with masked tokens, shape [B, N, K, D], and n_keep, int64 [B].
        """
        if n_keep is None:
            n_keep = self.draw(q, generator)
        if not self.training:
            return q, n_keep
        q = scale_gradient(q, self.weight)
        return keep_prefix(q, n_keep[:, None], self.mask), n_keep


class NoDropout(NestedDropout):
    """Draws n_k as nested dropout does, and keeps all tokens.

    Table 7, "w/o Nested Dropout": the loss balancer still uses the drawn n_k,
    so that only the dropout and its compensation are removed.

    Example
    -------
    >>> dropout = NoDropout(4, torch.nn.Parameter(torch.zeros(2)))
    >>> q, n_keep = dropout(torch.ones(3, 5, 4, 2))
    >>> bool((q == 1).all()), n_keep.shape
    (True, torch.Size([3]))
    """

    def __init__(self, num_levels, mask):
        super().__init__(num_levels, mask)
        mask.requires_grad_(False)  # it is never used

    def forward(self, q, n_keep=None, generator=None):
        """As :meth:`NestedDropout.forward`, with q unchanged."""
        return q, self.draw(q, generator) if n_keep is None else n_keep
