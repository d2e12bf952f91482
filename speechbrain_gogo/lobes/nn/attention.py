"""Attention with rotary positions, as the encoder and the DiT use it.

Letters: B batch, H heads, T queries, S keys, D width of a head.
"""

import torch
from torch.nn import functional as F


def rotate(x, rope):
    """Rotary positions.

    Arguments
    ---------
    x : torch.Tensor
        Queries or keys, shape [B, H, T, D].
    rope : tuple of torch.Tensor
        cos and sin, each broadcastable to [B, H, T, D].

    Returns
    -------
    torch.Tensor
        Shape and precision of ``x``.

    Example
    -------
    >>> x = torch.randn(1, 2, 3, 4)
    >>> still = torch.ones(3, 4), torch.zeros(3, 4)
    >>> torch.equal(rotate(x, still), x)
    True
    """
    cos, sin = rope
    one, other = x.chunk(2, dim=-1)  # the two coordinates of each plane
    turned = torch.cat([-other, one], dim=-1)
    return torch.addcmul(x * cos, turned, sin).to(x)


def attend(q, k, v, mask=None, causal=False):
    """Scaled dot-product attention.

    Arguments
    ---------
    q : torch.Tensor
        Queries, shape [B, H, T, D].
    k : torch.Tensor
        Keys, shape [B, H, S, D].
    v : torch.Tensor
        Values, shape [B, H, S, D].
    mask : torch.Tensor
        bool, broadcastable to [B, H, T, S], True where a query may attend;
        None for everywhere.
    causal : bool
        Instead of a mask: no query attends to later keys, T = S.

    Returns
    -------
    torch.Tensor
        Heads side by side, shape [B, T, H * D].

    Example
    -------
    >>> q, k = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4)
    >>> attend(q, k, k).shape
    torch.Size([1, 3, 8])
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        # The fused CPU kernel takes 2 to 5 times as long to train in bf16.
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if causal:
            mask = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        y = scores.softmax(dim=-1).to(v) @ v
    else:
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    return y.transpose(1, 2).flatten(2)
