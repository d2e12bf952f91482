"""A path around the transformers, which the weights of gogo-mini have.

Not in the paper, and no recipe trains it any more (group_mlp.py is what small
codecs have today). It reads a group at once: linear components of the mel,
largest first, which two hidden layers correct.

Letters: K tokens per group, c dimensions of a code, g frames per group, d mel
bins, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Shortcut(nn.Module):
    """A map from one sequence of a group to another, of low rank.

    x -> up (h + mlp(h)) + bias, where h = down x. Both matrices are scaled
    down in use (an equalized learning rate).

    Arguments
    ---------
    in_shape : tuple of int
        Length and dimension of what comes in.
    out_shape : tuple of int
        Length and dimension of what comes out.
    ranks : tuple of int
        Rows of ``down`` and columns of ``up``. Where they differ, h is cut or
        filled up with zeros.
    hidden : int
        Width of the two hidden layers; 0 is without, a linear map.

    Example
    -------
    >>> path = Shortcut((20, 100), (10, 256), ranks=(300, 50), hidden=64)
    >>> path(torch.randn(2, 7, 20, 100)).shape
    torch.Size([2, 7, 10, 256])
    """

    def __init__(self, in_shape, out_shape, ranks, hidden=0):
        super().__init__()
        self.out_shape = tuple(out_shape)
        fan_in = in_shape[0] * in_shape[1]
        fan_out = out_shape[0] * out_shape[1]
        self.scales = fan_in**-0.5, ranks[1] ** -0.5
        self.more = ranks[1] - ranks[0]
        self.down = nn.Parameter(torch.randn(ranks[0], fan_in))
        self.up = nn.Parameter(torch.randn(fan_out, ranks[1]))
        self.bias = nn.Parameter(torch.zeros(fan_out))
        self.mlp = None
        if hidden:
            last = nn.Linear(hidden, ranks[1])
            with torch.no_grad():
                last.weight.mul_(0.01)  # nearly a linear map at first
                last.bias.zero_()
            self.mlp = nn.Sequential(
                nn.Linear(ranks[0], hidden),
                nn.GELU(),
                nn.Linear(hidden, hidden),
                nn.GELU(),
                last,
            )

    def see(self, x):
        """What comes in, x [..., in_shape] -> h [..., ranks[0]]."""
        return F.linear(x.flatten(-2), self.scales[0] * self.down)

    def bend(self, h):
        """h [..., ranks[0]] -> h + mlp(h) [..., ranks[1]]."""
        linear = F.pad(h, (0, self.more))  # a negative number cuts
        return linear if self.mlp is None else linear + self.mlp(h)

    def draw(self, h):
        """h [..., ranks[1]] -> what goes out, [..., out_shape]."""
        out = F.linear(h, self.scales[1] * self.up, self.bias)
        return out.unflatten(-1, self.out_shape)

    def forward(self, x):
        """x [..., in_shape] -> [..., out_shape]."""
        return self.draw(self.bend(self.see(x)))


def make_shortcuts(mel_shape, token_shape, codebook_dim, components, hidden):
    """The paths of a codec, untrained.

    Arguments
    ---------
    mel_shape : tuple of int
        Frames and bins of a group, g and d.
    token_shape : tuple of int
        Tokens of a group and their width, K and D.
    codebook_dim : int
        Numbers that a token holds, c.
    components : int
        Of a group, that the hidden layers see and draw.
    hidden : int
        Width of the hidden layers; 0 is linear paths.

    Returns
    -------
    tuple of Shortcut
        Mel to queries and tokens to frames.
    """
    (frames, bins), (tokens, width) = mel_shape, token_shape
    rank = tokens * codebook_dim
    ranks_in = ranks_out = rank, rank
    if hidden:
        components = min(components, frames * bins)
        ranks_in = components, rank
        # Which tokens are masked, each by a number, is also seen.
        seen = rank + tokens
        ranks_out = seen, seen + components
    frame_shape = frames, width
    return (
        Shortcut(mel_shape, token_shape, ranks_in, hidden),
        Shortcut(token_shape, frame_shape, ranks_out, hidden),
    )
