"""A linear path around the transformers, for models that train for hours.

Not in the paper. A group's mel is so redundant that its principal components,
as many as the tokens hold numbers, tell 94 % of its variance; attention alone
needs days to find out which frame goes with which token. The path starts at
the principal components, coarse to fine, and the transformers learn from the
first update on what no linear map can. It sees one group at a time, so that
tokens stay local.

Letters: M groups, K tokens per group, c dimensions of a code, g frames per
group, d mel bins, D width, R = K c components.
"""

import torch
from torch import nn
from torch.nn import functional as F


class LinearShortcut(nn.Module):
    """One sequence of a group to another, as a matrix of low rank.

    The weights are stored large and scaled down in use (an equalized
    learning rate), or Adam's steps, alike for every entry, would add up over
    the thousands of inputs.

    Arguments
    ---------
    in_shape : tuple of int
        Length and dimension of what comes in.
    out_shape : tuple of int
        Length and dimension of what comes out.
    rank : int
        Of the matrix.

    Example
    -------
    >>> path = LinearShortcut((20, 100), (10, 256), rank=50)
    >>> path(torch.randn(2, 7, 20, 100)).shape
    torch.Size([2, 7, 10, 256])
    """

    def __init__(self, in_shape, out_shape, rank):
        super().__init__()
        self.out_shape = tuple(out_shape)
        fan_in = in_shape[0] * in_shape[1]
        fan_out = out_shape[0] * out_shape[1]
        self.scales = fan_in**-0.5, rank**-0.5
        self.down = nn.Parameter(torch.randn(rank, fan_in))
        self.up = nn.Parameter(torch.randn(fan_out, rank))
        self.bias = nn.Parameter(torch.zeros(fan_out))

    def forward(self, x):
        """x [..., in_shape] -> [..., out_shape]."""
        down, up = self.scales
        x = F.linear(x.flatten(-2), down * self.down)
        return F.linear(x, up * self.up, self.bias).unflatten(
            -1, self.out_shape
        )

    @torch.no_grad()
    def become(self, down, up, bias):
        """Be the map x -> up (down x) + bias from now on."""
        self.down.copy_(down / self.scales[0])
        self.up.copy_(up / self.scales[1])
        self.bias.copy_(bias)


@torch.no_grad()
def fit_shortcuts(codec, groups):
    """Let an untrained codec's linear path be its principal components.

    Token k codes components k c to k c + c - 1 of the mel, largest first; the
    way back is the least-squares map from codes to mel. What runs beside
    the path starts small.

    Arguments
    ---------
    codec : Gogo
        With ``linear_shortcut``, and a DiT with ``condition_skip``.
    groups : torch.Tensor
        Normalized mel of some real groups, shape [M, g, d].

    Raises
    ------
    ValueError
        If the codec has no linear path, or there are no more groups than
        components.
    """
    if codec.shortcut_in is None or codec.flow.backbone.skip is None:
        raise ValueError(
            "There is no linear path to start: give the codec linear_shortcut "
            "and the DiT condition_skip, or set shortcut_clips to 0."
        )
    x = groups.flatten(1).double()  # [M, g d]
    rank = len(codec.shortcut_in.down)
    if len(x) <= rank:  # M groups have M - 1 components
        raise ValueError(
            f"The shortcuts need more than {rank} groups to start from, not "
            f"{len(x)}: give more audio."
        )
    mean = x.mean(0)
    variance, vectors = torch.linalg.eigh(torch.cov(x.T))  # ascending
    # A few clips, over and over, have fewer components: the rest has none.
    variance = variance.flip(0)[:rank].clamp(min=1e-6)
    components = vectors.flip(1)[:, :rank] / variance.sqrt()  # [g d, R]
    codec.encoder.transformer.norm.weight.mul_(0.1)
    codec.flow.backbone.project_out.weight.mul_(0.1)
    _fit_in(codec, components.T, mean)
    _fit_out(codec, groups, x)


def _fit_in(codec, components, mean):
    """Mel to queries: what the quantizer's projection reads as components."""
    project = codec.quantizer.project_in
    project = project[0] if isinstance(project, nn.Sequential) else project
    read = torch.linalg.pinv(project.weight.double())  # [D, c]
    blocks = torch.block_diag(*[read] * codec.num_codebooks)  # [K D, R]
    centre = components @ mean + project.bias.repeat(codec.num_codebooks)
    codec.shortcut_in.become(components, blocks, -blocks @ centre)


def _fit_out(codec, groups, x):
    """Codes to frames: what the DiT's skip reads as the closest mel."""
    project, skip = codec.quantizer.project_out, codec.flow.backbone.skip
    codec.mask.copy_(project.bias)  # a masked token says: code 0
    read = torch.linalg.pinv(project.weight.double())  # [c, D]
    q = torch.cat([codec.quantize(chunk)[0] for chunk in groups.split(1000)])
    codes = ((q - project.bias).double() @ read.T).flatten(1)  # [M, R]
    # The path has to add what the tokens in their places do not say.
    tokens = F.pad(q, (0, 0, 0, groups.shape[1] - q.shape[1])) + codec.places
    rest = x - skip(tokens).double().flatten(1)  # [M, g d]
    centred = codes - codes.mean(0)
    # A trace of ridge, for codes that are the same in every group.
    gram = centred.T @ centred + 1e-6 * len(x) * torch.eye(codes.shape[1]).to(x)
    back = torch.linalg.solve(gram, centred.T @ rest).T  # [g d, R]
    offset = rest.mean(0) - back @ codes.mean(0)
    write = torch.linalg.pinv(skip.weight.double())  # [D, d]
    shape = groups.shape[1:]
    up = (write @ back.unflatten(0, shape)).flatten(0, 1)  # [g D, R]
    down = torch.block_diag(*[read] * codec.num_codebooks)  # [R, K D]
    start = down @ project.bias.double().repeat(codec.num_codebooks)
    offset = (offset.unflatten(0, shape) @ write.T).flatten()  # [g D]
    codec.shortcut_out.become(down, up, offset - up @ start)
