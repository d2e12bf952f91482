"""A path around the transformers, for models that train for hours.

Not in the paper. A group's mel is so redundant that its principal components,
as many as the tokens hold numbers, tell 94 % of its variance; attention alone
needs days to find out which frame goes with which token. The path starts at
the principal components, coarse to fine. It sees one group at a time, so that
tokens stay local, and takes a group at once, so that an update costs a small
part of one of the whole codec: two hidden layers let it bend the components
(shortcut_objective.py trains it alone, before everything else), and the
transformers learn what it cannot tell.

Letters: M groups, K tokens per group, c dimensions of a code, g frames per
group, d mel bins, D width, R components.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Shortcut(nn.Module):
    """One sequence of a group to another: a matrix of low rank, perhaps bent.

    x -> up (h + mlp(h)) + bias, where h = down x. Both matrices are stored
    large and scaled down in use (an equalized learning rate), or Adam's steps,
    alike for every entry, would add up over the thousands of inputs.

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

    @torch.no_grad()
    def become(self, down, up, bias, centre):
        """Be x -> up (down x - centre) + bias from now on.

        Of what comes in, the hidden layers see the same: down x - centre.
        """
        self.down.copy_(down / self.scales[0])
        self.up.copy_(up / self.scales[1])
        seen = F.pad(centre, (0, self.more))
        self.bias.copy_(bias - up @ seen)
        if self.mlp is not None:
            first = self.mlp[0]
            first.bias.sub_(first.weight @ centre.to(first.weight))


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


@torch.no_grad()
def fit_shortcuts(codec, groups):
    """Let an untrained codec's path be its principal components.

    Token k codes components k c to k c + c - 1 of the mel, largest first; the
    way back is the least-squares map from codes to mel. What runs beside
    the path starts small.

    Arguments
    ---------
    codec : Gogo
        With ``shortcut``, and a DiT with ``condition_skip``.
    groups : torch.Tensor
        Normalized mel of some real groups, shape [M, g, d].

    Raises
    ------
    ValueError
        If the codec has no path, or there are no more groups than
        components.
    """
    if codec.shortcut_in is None or codec.flow.backbone.skip is None:
        raise ValueError(
            "There is no path to start: give the codec a shortcut and the DiT "
            "condition_skip, or set shortcut_clips to 0."
        )
    x = groups.flatten(1).double()  # [M, g d]
    count = len(codec.shortcut_in.down)
    if len(x) <= count:  # M groups have M - 1 components
        raise ValueError(
            f"The shortcuts need more than {count} groups to start from, not "
            f"{len(x)}: give more audio."
        )
    variance, vectors = torch.linalg.eigh(torch.cov(x.T))  # ascending
    # A few clips, over and over, have fewer components: the rest has none.
    variance = variance.flip(0)[:count].clamp(min=1e-6)
    vectors = vectors.flip(1)[:, :count]  # [g d, R]
    codec.encoder.transformer.norm.weight.mul_(0.1)
    codec.flow.backbone.project_out.weight.mul_(0.1)
    _fit_in(codec, vectors, variance, x.mean(0))
    _fit_out(codec, groups, x, vectors, variance)


def split_projection(quantizer):
    """The linear part of what is before a quantizer, and the rest."""
    project = quantizer.project_in
    if isinstance(project, nn.Sequential):
        return project
    return project, nn.Identity()


def _fit_in(codec, vectors, variance, mean):
    """Mel to queries: what the quantizer's projection reads as components."""
    project, _ = split_projection(codec.quantizer)
    read = torch.linalg.pinv(project.weight.double())  # [D, c]
    blocks = torch.block_diag(*[read] * codec.num_codebooks)  # [K D, K c]
    # Those without a place in a token are not blown up.
    least = variance[blocks.shape[1] - 1]
    components = (vectors / variance.clamp(min=least).sqrt()).T  # [R, g d]
    bias = -blocks @ project.bias.double().repeat(codec.num_codebooks)
    codec.shortcut_in.become(components, blocks, bias, components @ mean)


def _fit_out(codec, groups, x, vectors, variance):
    """Codes to frames: what the DiT's skip reads as the closest mel."""
    project, skip = codec.quantizer.project_out, codec.flow.backbone.skip
    read = torch.linalg.pinv(project.weight.double())  # [c, D]
    bent = codec.shortcut_out.mlp is not None
    # A masked token says code 0, and if someone reads it, that it is masked:
    # by a number that no code moves.
    apart = torch.linalg.svd(project.weight.double()).U[:, -1]  # [D]
    codec.mask.copy_(project.bias + bent * apart)
    q = torch.cat(
        [
            codec.quantize(
                chunk[None], torch.ones(1, len(chunk), dtype=torch.bool)
            )[0]
            for chunk in groups.split(1000)
        ]
    )
    codes = ((q - project.bias).double() @ read.T).flatten(1)  # [M, K c]
    # The path has to add what the tokens in their places do not say.
    tokens = F.pad(q, (0, 0, 0, groups.shape[1] - q.shape[1])) + codec.places
    rest = x - skip(tokens).double().flatten(1)  # [M, g d]
    centred = codes - codes.mean(0)
    # A trace of ridge, for codes that are the same in every group.
    gram = centred.T @ centred + 1e-6 * len(x) * torch.eye(codes.shape[1]).to(x)
    back = torch.linalg.solve(gram, centred.T @ rest).T  # [g d, K c]
    offset = rest.mean(0) - back @ codes.mean(0)
    down = torch.block_diag(*[read] * codec.num_codebooks)  # [K c, K D]
    if bent:
        masked = torch.block_diag(*[apart[None]] * codec.num_codebooks)
        down = torch.cat([down, masked])
        # What the hidden layers draw, each component at the same scale.
        drawn = 0.3 * variance[0].sqrt() * vectors
        silent = back.new_zeros(len(back), codec.num_codebooks)
        back = torch.cat([back, silent, drawn], dim=1)
    write = torch.linalg.pinv(skip.weight.double())  # [D, d]
    up = (write @ back.unflatten(0, groups.shape[1:])).flatten(0, 1)
    offset = (
        offset.unflatten(0, groups.shape[1:]) @ write.T
    ).flatten()  # [g D]
    start = down @ project.bias.double().repeat(codec.num_codebooks)
    codec.shortcut_out.become(down, up, offset, start)
