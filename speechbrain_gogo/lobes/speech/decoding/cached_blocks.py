"""Key-value cache of transformer blocks that compute new positions only.

For a small model, calling modules takes longer than a step's computation. Keys
and values are therefore allocated once, weights with the same input are fused,
and a step is a plain list of tensor operations, so that on a CPU it is bound by
reading the weights. The blocks are in cached_llama.py and cached_gpt2.py; tests
compare them with transformers' modules.

Letters: B batch, T new positions, S positions so far, H heads, G heads of keys
and values, D width, E width of a head.
"""

import torch
from torch.nn import functional as F


class CachedBlocks:
    """Keys, values and masks of blocks that read positions one by one.

    A subclass has ``forward(x, position)``.

    Arguments
    ---------
    num_layers : int
        Blocks.
    groups : int
        Heads of keys and values, G.
    width : int
        Width of a head, E.
    like : torch.Tensor
        A tensor of the device and precision to use.
    batch : int
        Sequences in the batch, B.
    max_length : int
        Positions to allocate, left padding included.
    static : bool
        Keep all shapes constant, for CUDA graphs: attention covers the whole
        cache, with a mask.
    """

    def __init__(
        self, num_layers, groups, width, like, batch, max_length, static=False
    ):
        self.num_layers, self.groups, self.width = num_layers, groups, width
        self.like, self.static = like, static
        self.allocate(batch, max_length)

    def allocate(self, batch, max_length):
        """Make an empty cache of another size; positions include left padding."""
        self.max_length = max_length
        shape = batch, self.groups, max_length, self.width
        # Zeros: positions beyond the sequence are multiplied by zero.
        self.cache = [
            (self.like.new_zeros(shape), self.like.new_zeros(shape))
            for _ in range(self.num_layers)
        ]
        device = self.like.device
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
        """Check and count the positions of the next pass.

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
            Input, [B, T, D].
        position : torch.Tensor
            Rotary positions, int64 [B, T]; consecutive by default.
        padding : torch.Tensor
            int64 [B], number of padding positions on the left; allowed in the
            first call only.

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

    def first_slot(self, count):
        """Slot of the first new position: a tensor where shapes are static."""
        return self.filled if self.static else self.length - count

    def mask(self, slot):
        """Keys that each position attends to, bool [B, 1, T, S], or None for all."""
        if not self.static and not self.padded and len(slot) == 1:
            return None
        keys = self.slots if self.static else self.slots[: self.length]
        return left_padded_mask(keys, slot, self.padding)

    def attend(self, q, k, v, mask, slot, cache):
        """Attention to all positions so far, heads side by side: [B, T, H * E].

        ``q`` [B, H, T, E] and ``k`` and ``v`` [B, G, T, E] are of the new
        positions, ``slot`` int64 [T] are their slots, ``cache`` is the block's.
        """
        batch, heads, count = q.shape[:3]
        k, v = self._remember(cache, k, v, slot)
        if count == 1:  # heads that share keys are queries side by side
            q = q.reshape(batch, self.groups, -1, self.width)
            found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            return found.reshape(batch, 1, -1)
        found = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, enable_gqa=heads != self.groups
        )
        return found.transpose(1, 2).flatten(2)

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


def left_padded_mask(keys, slot, padding):
    """Keys that new positions attend to, if padding is on the left.

    Slots of all positions [S] and of the new ones [T], and the padding
    positions of each sequence [B], int64 -> bool [B, 1, T, S].

    Example
    -------
    >>> left_padded_mask(torch.arange(3), torch.arange(3), torch.tensor([1]))[0, 0].int()
    tensor([[1, 0, 0],
            [0, 1, 0],
            [0, 1, 1]], dtype=torch.int32)
    """
    slot = slot.unsqueeze(1)  # [T, 1]
    real = keys >= padding[:, None, None]  # [B, 1, S]
    # Padding attends to itself, since a row without keys gives NaN.
    return ((keys <= slot) & (real | (keys == slot))).unsqueeze(1)
