"""A Llama's blocks whose key-value cache is an argument and a result.

For runtimes without state, such as ONNX. The computation is that of
cached_llama.py; the cache has no fixed size.

Letters: L layers, B batch, T new positions, S cached positions, H heads, G heads
of keys and values, D width, E width of a head.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.decoding.cached_blocks import (
    left_padded_mask,
)
from speechbrain_gogo.lobes.speech.decoding.cached_llama import CachedLlama
from speechbrain_gogo.lobes.speech.decoding.llama_weights import LlamaWeights


class StatelessLlama(CachedLlama):
    """A Llama's blocks as a function of new positions and of a cache.

    Arguments
    ---------
    model : Llama | transformers.LlamaModel
        In evaluation mode. Its weights are fused in place.

    Example
    -------
    >>> from speechbrain_gogo.lobes.nn.llama import Llama
    >>> model, x = Llama(16, 2, 2, 32).eval(), torch.randn(1, 6, 16)
    >>> blocks = StatelessLlama(model)
    >>> none, unpadded = torch.zeros(blocks.cache_shape(1, 0)), torch.tensor([0])
    >>> _, *cache = blocks.read(x[:, :4], unpadded, none, none)
    >>> found, *cache = blocks.read(x[:, 4:], unpadded, *cache)
    >>> expected = model(x)[:, -1]
    >>> bool((found - expected).abs().max() < 1e-5), cache[0].shape
    (True, torch.Size([2, 1, 2, 6, 8]))
    """

    def __init__(self, model):
        super().__init__(LlamaWeights.of(model), batch=1, max_length=0)

    def cache_shape(self, batch, length):
        """Shape of the keys, and of the values: (L, B, G, S, E).

        ``batch`` and ``length`` are B and S, or their names.
        """
        return self.num_layers, batch, self.groups, length, self.width

    @torch.no_grad()
    def read(self, x, padding, keys, values, position=None):
        """Run the blocks over new positions.

        Arguments
        ---------
        x : torch.Tensor
            Input, [B, T, D].
        padding : torch.Tensor
            int64 [B], number of padding positions on the left of each sequence.
        keys, values : torch.Tensor
            Cache, [L, B, G, S, E] each.
        position : torch.Tensor
            Rotary positions, int64 [B, T]; by default those after the cached
            ones.

        Returns
        -------
        tuple of torch.Tensor
            Hidden state of the last position after the last norm, [B, D]; keys
            and values with the new positions, [L, B, G, S + T, E].
        """
        before, count = keys.shape[3], x.shape[1]
        slots = torch.arange(before + count, device=x.device)
        slot = slots[before:]  # [T]
        mask = left_padded_mask(slots, slot, padding)
        if position is None:
            position = (slot - padding.unsqueeze(1)).clamp(min=0)
        caches = [list(pair) for pair in zip(keys.unbind(0), values.unbind(0))]
        x = self.run_blocks(x, position, mask, slot, caches)
        keys, values = (torch.stack(parts) for parts in zip(*caches))
        return x[:, -1], keys, values

    def attend(self, q, k, v, mask, slot, cache):
        """Attention to all positions; ``cache`` gets the new ones."""
        cache[:] = [torch.cat(pair, dim=2) for pair in zip(cache, (k, v))]
        shared = q.shape[1] // self.groups
        k, v = (part.repeat_interleave(shared, dim=1) for part in cache)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return found.transpose(1, 2).flatten(2)
