"""A GPT-2's blocks with a key-value cache, see cached_blocks.py.

Letters: B batch, T new positions, H heads, D width, E width of a head.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.decoding.cached_blocks import CachedBlocks


class CachedGPT2(CachedBlocks):
    """A GPT-2's blocks with a key-value cache of fixed size.

    Positional embeddings are part of the input and added by the caller.
    ``passes`` counts the calls of :meth:`read`.

    Arguments
    ---------
    model : transformers.GPT2Model
        In evaluation mode; its own embeddings are not used.
    batch : int
        Sequences in the batch, B.
    max_length : int
        Positions to allocate, left padding included; :meth:`read` allocates
        more if needed.
    """

    def __init__(self, model, batch, max_length=256):
        self.layers, self.norm = list(model.h), model.ln_f
        heads = model.config.n_head
        width = model.config.n_embd // heads
        like = self.norm.weight
        super().__init__(
            len(self.layers), heads, width, like, batch, max_length
        )
        self.real = torch.ones_like(self.slots.expand(batch, -1)).bool()
        self.passes = 0

    def read(self, x, real):
        """Read new positions [B, T, D], some of which may be padding.

        Later positions attend to those alone that are ``real``, bool [B, T]. The
        result is the hidden states after the last norm, [B, T, D].

        Example
        -------
        >>> from speechbrain_gogo.lobes.speech.streams.gpt import gpt
        >>> x, real = torch.randn(1, 3, 16), torch.tensor([[True, False, True]])
        >>> model = gpt(16, 1, 2, max_positions=20).eval()
        >>> found = CachedGPT2(model, batch=1).read(x, real)[:, -1]
        >>> expected = model(inputs_embeds=x[:, ::2]).last_hidden_state[:, -1]
        >>> bool((found - expected).abs().max() < 1e-5)
        True
        """
        count = x.shape[1]
        if self.length + count > self.max_length:
            self._grow(max(count, self.max_length))
        self.real[:, self.length : self.length + count] = real
        self.padded = self.padded or not bool(real.all())
        self.passes += 1
        return self.step(x)

    def mask(self, slot):
        """Keys that each position attends to, bool [B, 1, T, S], or None for all."""
        seen = super().mask(slot)
        if seen is None:
            return None
        own = self.slots[: self.length] == slot.unsqueeze(1)  # [T, S]
        return seen & (self.real[:, None, None, : self.length] | own)

    def _grow(self, count):
        """Allocate more positions."""
        self.cache = [
            (F.pad(k, (0, 0, 0, count)), F.pad(v, (0, 0, 0, count)))
            for k, v in self.cache
        ]
        self.real = F.pad(self.real, (0, count), value=True)
        self.max_length += count
        device = self.slots.device
        self.slots = torch.arange(self.max_length, device=device)

    def forward(self, x, position=None):
        """The computation of ``step``, [B, T, D] -> [B, T, D]; no rotary positions."""
        slot = self.slots[: x.shape[1]] + self.first_slot(x.shape[1])  # [T]
        mask = self.mask(slot)
        for layer, cache in zip(self.layers, self.cache):
            qkv = _affine(_normed(x, layer.ln_1), layer.attn.c_attn)
            qkv = qkv.unflatten(-1, (3, -1, self.width))  # [B, T, 3, H, E]
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B, H, T, E] each
            found = self.attend(q, k, v, mask, slot, cache)
            x = x + _affine(found, layer.attn.c_proj)
            inner = _affine(_normed(x, layer.ln_2), layer.mlp.c_fc)
            inner = F.gelu(inner, approximate="tanh")
            x = x + _affine(inner, layer.mlp.c_proj)
        return _normed(x, self.norm)


def _normed(x, norm):
    """A LayerNorm, without calling its module."""
    return F.layer_norm(
        x, norm.normalized_shape, norm.weight, norm.bias, norm.eps
    )


def _affine(x, layer):
    """transformers' Conv1D, whose weight is [D, D'], without calling it."""
    found = torch.addmm(layer.bias, x.flatten(0, 1), layer.weight)
    return found.unflatten(0, x.shape[:2])
