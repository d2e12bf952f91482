"""A Llama's blocks with a key-value cache, see cached_blocks.py.

Letters: B batch, T new positions, H heads, G heads of keys and values, D width,
E width of a head.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.decoding.cached_blocks import CachedBlocks


class CachedLlama(CachedBlocks):
    """A Llama's blocks with a key-value cache of fixed size.

    Arguments
    ---------
    weights : LlamaWeights
        Weights of the blocks, which several caches may share.
    batch : int
        Sequences in the batch, B.
    max_length : int
        Positions to allocate, left padding included.
    static : bool
        As in CachedBlocks.
    """

    def __init__(self, weights, batch, max_length, static=False):
        self.weights = weights
        super().__init__(
            len(weights.blocks),
            weights.groups,
            weights.width,
            weights.norm.weight,
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
        for block, cache in zip(self.weights.blocks, caches):
            q, k, v = self._queries_keys_values(block, x, rope)
            found = self.attend(q, k, v, mask, slot, cache)
            x = x + block.output(found)
            gate, up = block.gate_up(block.mlp_norm(x)).chunk(2, -1)
            x = x + block.down(F.silu(gate).mul_(up))
        return self.weights.norm(x)

    def _rotation(self, position, x):
        """Cosines and signed sines, [B, T, 1, E]."""
        frequencies, factor = self.weights.rotary
        angle = position.unsqueeze(-1) * frequencies  # [B, T, E / 2]
        cos, sin = angle.cos().mul_(factor), angle.sin().mul_(factor)
        cos, sin = torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
        return cos.unsqueeze(2).to(x), sin.unsqueeze(2).to(x)

    def _queries_keys_values(self, block, x, rope):
        """[B, H, T, E], and [B, G, T, E] twice."""
        heads = self.weights.heads
        qkv = block.qkv(block.attention_norm(x))
        qkv = qkv.unflatten(-1, (-1, self.width))  # [B, T, H + 2 G, E]
        qk, v = qkv.split([heads + self.groups, self.groups], dim=2)
        cos, sin = rope
        turned = qk.roll(self.width // 2, -1)  # swap the halves
        qk = torch.addcmul(qk * cos, turned, sin)
        q, k = qk.transpose(1, 2).split([heads, self.groups], dim=1)
        return q, k, v.transpose(1, 2)
