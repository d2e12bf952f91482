"""Attention with rotary positions, as the encoder and the DiT use it.

Letters: B batch, H heads, T queries, S keys, D width of a head.
"""

import torch
from torch.nn import functional as F


def rotate(x, rope):
    """Rotary positions of queries or keys x, [B, H, T, D].

    ``rope`` is cos and sin, each broadcastable to x. The result has the
    precision of x.
    """
    cos, sin = rope
    one, other = x.chunk(2, dim=-1)  # the two coordinates of each plane
    turned = torch.cat([-other, one], dim=-1)
    return torch.addcmul(x * cos, turned, sin).to(x)


def attend(q, k, v, mask=None, causal=False):
    """Scaled dot-product attention.

    q [B, H, T, D], k and v [B, H, S, D] -> heads side by side, [B, T, H * D].
    ``mask`` is bool, broadcastable to [B, H, T, S], True where a query may
    attend; None for everywhere. With ``causal``, instead of a mask, no query
    attends to later keys, T = S.
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
