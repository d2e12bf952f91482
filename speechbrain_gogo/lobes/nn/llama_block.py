"""A LLaMA block in two halves, for networks that arrange attention themselves.

RMSNorm, rotary positions and SwiGLU as in transformers' Llama, with the same
names of weights, so that weights can be loaded from either into the other.
Where one mask covers a whole sequence, a block is run as a whole (llama.py).

Letters: M sequences, T positions, D width, H heads, G heads of keys and values.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.attention import attend, rotate


class LlamaBlocks(nn.Module):
    """Blocks and the norm after the last one; the caller runs them.

    Arguments as in :class:`~speechbrain_gogo.lobes.nn.llama.Llama`.

    Example
    -------
    >>> blocks = LlamaBlocks(8, num_layers=1, num_heads=2, ffn_dim=16)
    >>> position = torch.tensor([[[0, 1, 2]], [[5, 6, 7]]])  # [M, 1, T]
    >>> x, rope = torch.ones(2, 3, 8), blocks.rope(position)
    >>> q, k, _ = blocks.layers[0].queries_keys_values(x, rope, first=1)
    >>> q.shape, k.shape
    (torch.Size([2, 2, 2, 4]), torch.Size([2, 2, 3, 4]))
    """

    def __init__(
        self, dim, num_layers, num_heads, ffn_dim, num_key_value_heads=None
    ):
        super().__init__()
        sizes = dim, num_heads, ffn_dim, num_key_value_heads
        self.layers = nn.ModuleList(
            [LlamaBlock(*sizes) for _ in range(num_layers)]
        )
        self.norm = RMSNorm(dim)
        self.head_dim = dim // num_heads
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=initial_deviation(dim))

    def rope(self, position):
        """Cosine and sine, [..., T, D / H] each, of rotary positions int64 [..., T]."""
        frequency = rotary_frequencies(self.head_dim, position.device)
        angle = position.unsqueeze(-1) * frequency
        angle = torch.cat([angle, angle], dim=-1)
        return angle.cos(), angle.sin()


class LlamaBlock(nn.Module):
    """Attention and SwiGLU, each around a residual.

    A caller that arranges attention itself computes it between
    ``queries_keys_values`` and ``update``. Arguments as in
    :class:`LlamaBlocks`.
    """

    def __init__(self, dim, num_heads, ffn_dim, num_key_value_heads=None):
        super().__init__()
        self.head_dim = dim // num_heads
        shared = self.head_dim * (num_key_value_heads or num_heads)
        self.input_layernorm = RMSNorm(dim)
        self.self_attn = nn.ModuleDict(
            {
                f"{part}_proj": nn.Linear(dim, size, bias=False)
                for part, size in zip("qkvo", (dim, shared, shared, dim))
            }
        )
        self.post_attention_layernorm = RMSNorm(dim)
        self.mlp = SwiGLU(dim, ffn_dim)

    def forward(self, x, rope, mask=None):
        """The block with one mask, causal by default: [M, T, D] -> the same."""
        q, k, v = self.queries_keys_values(x, rope)
        shared = q.shape[1] // k.shape[1]
        if shared > 1:
            k, v = (part.repeat_interleave(shared, dim=1) for part in (k, v))
        return self.update(x, attend(q, k, v, mask, causal=mask is None))

    def queries_keys_values(self, x, rope, first=0):
        """Queries [M, H, T, D / H], keys and values [M, G, T, D / H] of x [M, T, D].

        Queries and keys are rotated by ``rope``, from :meth:`LlamaBlocks.rope`.
        Rows before ``first`` have keys and values only.
        """
        attention, normed = self.self_attn, self.input_layernorm(x)
        q = self._heads(attention["q_proj"](normed[:, first:]))
        k = self._heads(attention["k_proj"](normed))
        v = self._heads(attention["v_proj"](normed))
        later = [part[..., first:, :] for part in rope]
        return rotate(q, later), rotate(k, rope), v

    def update(self, x, attended):
        """The rest of the block: x and the output of the attention, both [M, T, D]."""
        x = x + self.self_attn["o_proj"](attended)
        return x + self.mlp(self.post_attention_layernorm(x))

    def _heads(self, x):
        """[M, T, D] -> [M, H, T, D / H]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


def rotary_frequencies(width, device=None, base=10000.0):
    """Radians by position of each plane of a head, float32 [width / 2]."""
    even = torch.arange(0, width, 2, device=device).float()
    return 1.0 / base ** (even / width)


def initial_deviation(dim):
    """Standard deviation of new weights.

    The usual 0.02 is for widths of thousands. With it, attention of smaller
    widths would add next to nothing at first, and tokens would hardly differ
    from group to group.
    """
    return dim**-0.5


class SwiGLU(nn.Module):
    """Feed-forward part with a gate."""

    def __init__(self, dim, ffn_dim):
        super().__init__()
        self.gate_proj = nn.Linear(dim, ffn_dim, bias=False)
        self.up_proj = nn.Linear(dim, ffn_dim, bias=False)
        self.down_proj = nn.Linear(ffn_dim, dim, bias=False)

    def forward(self, x):
        """x [..., D] -> [..., D]; in place without gradients: 5 % faster."""
        gate, up = self.gate_proj(x), self.up_proj(x)
        if torch.is_grad_enabled():
            return self.down_proj(F.silu(gate) * up)
        return self.down_proj(F.silu(gate, inplace=True).mul_(up))


class RMSNorm(nn.Module):
    """Scales the last dimension to a root mean square of 1, computed in float32."""

    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        """x [..., D] -> the same."""
        full = x.float()
        scale = full.square().mean(-1, keepdim=True).add(self.eps).rsqrt()
        return self.weight * (full * scale).to(x)
