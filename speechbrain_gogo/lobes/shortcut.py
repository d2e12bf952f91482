"""A path around the transformers, for models that train for hours.

Not in the paper. A group's mel is so redundant that its principal components,
as many as the tokens hold numbers, tell 94 % of its variance; attention alone
needs days to find out which frame goes with which token. The path starts at
the principal components, coarse to fine. It sees one group at a time, so that
tokens stay local, and takes a group at once, so that an update costs a small
part of one of the whole codec: two hidden layers let it bend the components
(brains/shortcut.py trains it alone, before everything else), and the
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

    def forward(self, x):
        """x [..., in_shape] -> [..., out_shape]."""
        down, up = self.scales
        h = F.linear(x.flatten(-2), down * self.down)
        linear = F.pad(h, (0, self.more))  # a negative number cuts
        h = linear if self.mlp is None else linear + self.mlp(h)
        return F.linear(h, up * self.up, self.bias).unflatten(
            -1, self.out_shape
        )

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


def _fit_in(codec, vectors, variance, mean):
    """Mel to queries: what the quantizer's projection reads as components."""
    project = codec.quantizer.project_in
    project = project[0] if isinstance(project, nn.Sequential) else project
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
    q = torch.cat([codec.quantize(chunk)[0] for chunk in groups.split(1000)])
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


class ShortcutObjective(nn.Module):
    """The error of groups that go along the path alone.

    Only the hidden layers learn, so that updates cost less; no other weight
    may want a gradient, or a distributed wrapper would wait for it.

    Arguments
    ---------
    objective : GogoObjective
        Whose codec's path learns, by its nested dropout and its balance.
    """

    def __init__(self, objective):
        super().__init__()
        self.objective = objective
        codec = objective.codec
        self.learns = {
            weight: weight.requires_grad for weight in objective.parameters()
        }
        objective.requires_grad_(False)
        codec.shortcut_in.mlp.requires_grad_(True)
        codec.shortcut_out.mlp.requires_grad_(True)

    def release(self):
        """Let everything learn again."""
        for weight, learns in self.learns.items():
            weight.requires_grad_(learns)

    def forward(self, groups, generator=None):
        """The loss of normalized mel groups [M, g, d], each with its own keep.

        ``generator`` is where nested dropout draws from.
        """
        codec = self.objective.codec
        features = codec.shortcut_in(groups)  # [M, K, D]
        with torch.autocast(features.device.type, enabled=False):
            q, _ = codec.quantizer(features.float())
        q = q.unsqueeze(1)  # [M, 1, K, D]
        n_keep = torch.full(q.shape[:1], q.shape[2], device=q.device)
        if self.objective.nested_dropout is not None:
            q, n_keep = self.objective.nested_dropout(q, generator=generator)
        drawn = codec.flow.backbone.skip(codec.align(q))  # [M, g, d]
        error = (drawn.float() - groups).square().mean((1, 2))  # [M]
        if self.objective.balancer is None:
            return error.mean()
        return (self.objective.balancer(n_keep)[0] * error).mean()
