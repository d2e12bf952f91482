"""A Llama's blocks with a key-value cache, see cached_blocks.py.

Letters: B batch, T new positions, H heads, G heads of keys and values, D width,
E width of a head.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.llama import Llama
from speechbrain_gogo.lobes.nn.llama_block import rotary_frequencies
from speechbrain_gogo.lobes.speech.decoding.cached_blocks import CachedBlocks
from speechbrain_gogo.lobes.speech.decoding.weights import (
    Dense,
    Norm,
    applied_weight,
    fuse,
)


class Block(NamedTuple):
    """Weights of a block, as functions of their input."""

    attention_norm: Norm
    qkv: object
    output: object
    mlp_norm: Norm
    gate_up: object
    down: object


class CachedLlama(CachedBlocks):
    """A Llama's blocks with a key-value cache of fixed size.

    Arguments
    ---------
    model : Llama | transformers.LlamaModel
        In evaluation mode. Its weights are fused in place, without a copy:
        later changes of them affect this object.
    batch : int
        Sequences in the batch, B.
    max_length : int
        Positions to allocate, left padding included.
    linear : callable
        Makes a function of a weight matrix: ``Dense`` of weights.py, or
        ``Int8`` of lobes/nn/int8.py.
    static : bool
        As in CachedBlocks.

    Raises
    ------
    ValueError
        If the Llama has biases.
    """

    def __init__(self, model, batch, max_length, linear=Dense, static=False):
        config = model.config
        if config.attention_bias or config.mlp_bias:
            raise ValueError("A Llama with biases cannot be decoded here.")
        self.heads = config.num_attention_heads
        self.rotary = _rotary(model)
        eps = config.rms_norm_eps
        self.norm = Norm(model.norm.weight, eps)
        self.blocks = [
            _fused_block(layer, linear, eps) for layer in model.layers
        ]
        super().__init__(
            len(self.blocks),
            config.num_key_value_heads,
            config.head_dim,
            model.norm.weight,
            batch,
            max_length,
            static,
        )

    def forward(self, x, position=None):
        """The computation of ``step``, which may be compiled: [B, T, D] -> [B, T, D].

        Rotary positions, int64 [B, T], are consecutive by default.
        """
        slot = self.slots[: x.shape[1]] + self.first_slot(x.shape[1])  # [T]
        if position is None:
            position = (slot - self.padding.unsqueeze(1)).clamp(min=0)
        x = self.run_blocks(x, position, self.mask(slot), slot, self.cache)
        self.filled += x.shape[1]
        return x

    def run_blocks(self, x, position, mask, slot, caches):
        """All blocks and the last norm, [B, T, D] -> [B, T, D].

        Rotary positions are int64 [B, T]; ``mask`` and ``slot`` as in
        :meth:`attend`; ``caches`` has the cache of each block.
        """
        rope = self._rotation(position, x)
        for block, cache in zip(self.blocks, caches):
            q, k, v = self._queries_keys_values(block, x, rope)
            found = self.attend(q, k, v, mask, slot, cache)
            x = x + block.output(found)
            gate, up = block.gate_up(block.mlp_norm(x)).chunk(2, -1)
            x = x + block.down(F.silu(gate).mul_(up))
        return self.norm(x)

    def _rotation(self, position, x):
        """Cosines and signed sines, [B, T, 1, E]."""
        frequencies, factor = self.rotary
        angle = position.unsqueeze(-1) * frequencies  # [B, T, E / 2]
        cos, sin = angle.cos().mul_(factor), angle.sin().mul_(factor)
        cos, sin = torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
        return cos.unsqueeze(2).to(x), sin.unsqueeze(2).to(x)

    def _queries_keys_values(self, block, x, rope):
        """[B, H, T, E], and [B, G, T, E] twice."""
        qkv = block.qkv(block.attention_norm(x))
        qkv = qkv.unflatten(-1, (-1, self.width))  # [B, T, H + 2 G, E]
        qk, v = qkv.split([self.heads + self.groups, self.groups], dim=2)
        cos, sin = rope
        turned = qk.roll(self.width // 2, -1)  # swap the halves
        qk = torch.addcmul(qk * cos, turned, sin)
        q, k = qk.transpose(1, 2).split([self.heads, self.groups], dim=1)
        return q, k, v.transpose(1, 2)


def _rotary(model):
    """Frequencies [E / 2] of a model, and the factor of cosines and sines."""
    if isinstance(model, Llama):
        width = model.config.head_dim
        return rotary_frequencies(width, model.device), 1.0
    return model.rotary_emb.inv_freq, model.rotary_emb.attention_scaling


def _fused_block(layer, linear, eps):
    """The weights of a LlamaDecoderLayer."""
    attention, mlp = layer.self_attn, layer.mlp
    qkv = attention.q_proj, attention.k_proj, attention.v_proj
    return Block(
        Norm(layer.input_layernorm.weight, eps),
        linear(fuse(qkv)),
        linear(applied_weight(attention.o_proj)),
        Norm(layer.post_attention_layernorm.weight, eps),
        linear(fuse([mlp.gate_proj, mlp.up_proj])),
        linear(applied_weight(mlp.down_proj)),
    )
