"""The blocks of a Llama over new positions only, without modules or copies.

A step of a small model takes less time than calling its modules does. So the
weights that read the same input are fused (queries, keys and values; gate and
up), keys and values have memory that is allocated once, and a step is a plain
list of tensor operations. On a CPU it reads its weights and little else. The
modules are transformers' own; what they compute is the reference in the tests.

Letters: B batch, T new positions, S positions so far, H heads, G heads of keys
and values, D width, E width of a head.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.weights import Dense, fuse


class Block(NamedTuple):
    """Weights of a block, as functions of what they are applied to."""

    attention_norm: torch.Tensor
    qkv: object
    output: object
    mlp_norm: torch.Tensor
    gate_up: object
    down: object


class CachedLlama:
    """A Llama's blocks with a key-value cache of fixed size.

    Arguments
    ---------
    model : transformers.LlamaModel
        In evaluation mode. Its weights are fused where they are: no second
        copy is kept, and what changes them later changes this object.
    batch : int
        Sequences in the batch, B.
    max_length : int
        Positions to allocate, left padding included.
    linear : callable
        Makes a function of a weight matrix: ``Dense`` or ``Int8`` of
        weights.py.
    static : bool
        Keep all shapes the same from step to step, as CUDA graphs need:
        attention runs over the whole cache, under a mask.

    Raises
    ------
    ValueError
        If the Llama has biases.

    Example
    -------
    >>> from speechbrain_gogo.lobes.nn.llama import llama
    >>> model, x = llama(16, 2, 2, 32).eval(), torch.randn(1, 6, 16)
    >>> cached = CachedLlama(model, batch=1, max_length=8)
    >>> _ = cached.step(x[:, :4])
    >>> found = cached.step(x[:, 4:])
    >>> expected = model(inputs_embeds=x).last_hidden_state[:, 4:]
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """

    def __init__(self, model, batch, max_length, linear=Dense, static=False):
        config = model.config
        if config.attention_bias or config.mlp_bias:
            raise ValueError("A Llama with biases cannot be decoded here.")
        self.heads = config.num_attention_heads
        self.groups = config.num_key_value_heads
        self.width = model.layers[0].self_attn.head_dim
        self.eps = config.rms_norm_eps
        self.max_length, self.static = max_length, static
        self.rope = model.rotary_emb
        self.norm = model.norm.weight
        self.blocks = [_fused_block(layer, linear) for layer in model.layers]
        shape = batch, self.groups, max_length, self.width
        # Zeros: what lies beyond the sequence is multiplied by zero.
        self.cache = [
            (self.norm.new_zeros(shape), self.norm.new_zeros(shape))
            for _ in self.blocks
        ]
        device = self.norm.device
        self.padding = torch.zeros(batch, dtype=torch.long, device=device)
        self.slots = torch.arange(max_length, device=device)
        self.length, self.padded = 0, False
        self.filled = torch.zeros((), dtype=torch.long, device=device)

    def reset(self):
        """Empty the cache."""
        self.length, self.padded = 0, False
        self.padding.zero_()
        self.filled.zero_()

    def advance(self, count, padding=None):
        """Check and note that so many positions are about to come.

        Arguments
        ---------
        count : int
            New positions.
        padding : torch.Tensor
            int64 [B], how many of them on the left are padding.

        Raises
        ------
        ValueError
            If the cache has too few positions.
        """
        if self.length + count > self.max_length:
            raise ValueError(
                f"The decoder has {self.max_length} positions and was given "
                f"{self.length + count}: create it with a larger max_length."
            )
        if padding is not None:
            self.padding.copy_(padding)
            self.padded = bool(padding.any())
        self.length += count

    def step(self, x, position=None, padding=None):
        """Run the blocks over new positions.

        Arguments
        ---------
        x : torch.Tensor
            What they read, [B, T, D].
        position : torch.Tensor
            Rotary positions, int64 [B, T]; one after the other by default.
        padding : torch.Tensor
            int64 [B], how many of the positions on the left are padding;
            allowed in the first call only.

        Returns
        -------
        torch.Tensor
            Hidden states after the last norm, [B, T, D].

        Raises
        ------
        ValueError
            If the cache has too few positions.
        """
        self.advance(x.shape[1], padding)
        with torch.inference_mode():
            return self.forward(x, position)

    def forward(self, x, position=None):
        """The computation of :meth:`step`, which may be compiled.

        Arguments
        ---------
        x : torch.Tensor
            [B, T, D].
        position : torch.Tensor
            int64 [B, T], or None.

        Returns
        -------
        torch.Tensor
            [B, T, D].
        """
        slot = self.slots[: x.shape[1]] + self._first(x.shape[1])  # [T]
        if position is None:
            position = (slot - self.padding.unsqueeze(1)).clamp(min=0)
        rope = self._rotation(position, x)
        mask = self._mask(slot)
        for block, cache in zip(self.blocks, self.cache):
            x = self._attention(block, x, rope, mask, slot, cache)
            gate, up = block.gate_up(self._rms(x, block.mlp_norm)).chunk(2, -1)
            x = x + block.down(F.silu(gate).mul_(up))
        self.filled += x.shape[1]
        return self._rms(x, self.norm)

    def _first(self, count):
        """Slot of the first new position: a tensor where shapes are static."""
        return self.filled if self.static else self.length - count

    def _rotation(self, position, x):
        """Cosines and signed sines, [B, T, 1, E]."""
        angle = position.unsqueeze(-1) * self.rope.inv_freq  # [B, T, E / 2]
        cos = angle.cos().mul_(self.rope.attention_scaling)
        sin = angle.sin().mul_(self.rope.attention_scaling)
        cos, sin = torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
        return cos.unsqueeze(2).to(x), sin.unsqueeze(2).to(x)

    def _mask(self, slot):
        """Which keys each position sees, bool [B, 1, T, S], or None for all."""
        if not self.static and not self.padded and len(slot) == 1:
            return None
        keys = self.slots if self.static else self.slots[: self.length]
        slot = slot.unsqueeze(1)  # [T, 1]
        real = keys >= self.padding[:, None, None]  # [B, 1, S]
        # Padding attends to itself: a row without any key gives NaN.
        return ((keys <= slot) & (real | (keys == slot))).unsqueeze(1)

    def _attention(self, block, x, rope, mask, slot, cache):
        """Attention to all positions so far, [B, T, D]."""
        batch, count = x.shape[:2]
        qkv = block.qkv(self._rms(x, block.attention_norm))
        qkv = qkv.view(batch, count, -1, self.width)  # [B, T, H + 2 G, E]
        qk, v = qkv.split([self.heads + self.groups, self.groups], dim=2)
        cos, sin = rope
        turned = qk.roll(self.width // 2, -1)  # halves change places
        qk = torch.addcmul(qk * cos, turned, sin)
        q, k = qk.transpose(1, 2).split([self.heads, self.groups], dim=1)
        k, v = self._remember(cache, k, v.transpose(1, 2), slot)
        if count == 1:  # heads that share keys are queries side by side
            q = q.view(batch, self.groups, -1, self.width)
            found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            found = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, enable_gqa=True
            )
        found = found.view(batch, self.heads, count, self.width)
        return x + block.output(
            found.transpose(1, 2).reshape(x.shape[:2] + (-1,))
        )

    def _remember(self, cache, k, v, slot):
        """Keys and values of all positions so far, the new ones added."""
        keys, values = cache
        if self.static:
            keys.index_copy_(2, slot, k)
            values.index_copy_(2, slot, v)
            return keys, values
        first, end = self.length - k.shape[2], self.length
        keys[:, :, first:end] = k
        values[:, :, first:end] = v
        return keys[:, :, :end], values[:, :, :end]

    def _rms(self, x, weight):
        """RMSNorm, in float32 as transformers computes it."""
        full = x.float()
        scale = full.square().mean(-1, keepdim=True).add_(self.eps).rsqrt_()
        return (full * scale).to(x) * weight


def _fused_block(layer, linear):
    """The weights of a LlamaDecoderLayer."""
    attention, mlp = layer.self_attn, layer.mlp
    qkv = attention.q_proj, attention.k_proj, attention.v_proj
    return Block(
        layer.input_layernorm.weight,
        linear(fuse(qkv)),
        linear(attention.o_proj.weight),
        layer.post_attention_layernorm.weight,
        linear(fuse([mlp.gate_proj, mlp.up_proj])),
        linear(mlp.down_proj.weight),
    )
