"""The error of a codec's path alone, at the price of its hidden layers.

Only the two stacks of hidden layers learn (shortcut.py). All around them is
affine and stands still: from what the first draws to the numbers that are
quantized, and from codes and from what the second draws to mel. So these maps
are composed once, and of a group's g d numbers stay those that can make a
difference: the components that the path sees, and where the mel lies among
the directions in which the path can draw. What lies beyond is an error that
no weight changes.

Letters: M groups, K tokens per group, c dimensions of a code, g frames per
group, d mel bins, R components that are seen, S directions of drawing.
"""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.shortcut import split_projection

CHUNK = 4096  # groups that are projected at once


class ShortcutObjective(nn.Module):
    """The error of groups that go along the path alone.

    Only the hidden layers want gradients, until :meth:`release`: another
    weight that did would have a distributed wrapper wait for it.

    Arguments
    ---------
    objective : GogoObjective
        Whose codec's path learns, by its nested dropout and its balance. The
        path starts where :func:`~speechbrain_gogo.lobes.gogo.shortcut.fit_shortcuts`
        put it.

    Raises
    ------
    ValueError
        If the path has no hidden layers, or the codec no path.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.dit import DiT
    >>> from speechbrain_gogo.lobes.gogo.encoder import GroupEncoder
    >>> from speechbrain_gogo.lobes.gogo.flow import ConditionalFlowMatching
    >>> from speechbrain_gogo.lobes.gogo.codec import Gogo
    >>> from speechbrain_gogo.lobes.gogo.mel import VocosMel
    >>> from speechbrain_gogo.lobes.gogo.objective import GogoObjective
    >>> from speechbrain_gogo.lobes.gogo.quantizer import FSQ
    >>> codec = Gogo(
    ...     VocosMel(),
    ...     GroupEncoder(dim=32, num_layers=1, num_heads=2, ffn_dim=64),
    ...     FSQ([8, 8, 8, 5, 5], dim=32),
    ...     ConditionalFlowMatching(DiT(100, 32, 32, 1, 2, condition_skip=True)),
    ...     shortcut=True,
    ...     shortcut_hidden=16,
    ... )
    >>> path = ShortcutObjective(GogoObjective(codec, None, None))
    >>> path(path.project(torch.randn(7, 20, 100))).shape
    torch.Size([])
    """

    def __init__(self, objective):
        super().__init__()
        codec = objective.codec
        if codec.shortcut_in is None or codec.shortcut_in.mlp is None:
            raise ValueError(
                "There are no hidden layers to train: give the codec a "
                "shortcut and shortcut_hidden, or set shortcut_steps to 0."
            )
        self.objective = objective
        self.dropout = copy.deepcopy(objective.nested_dropout)
        if self.dropout is not None:
            # A code's numbers are followed by whether it is masked.
            said = [0.0] * codec.quantizer.codebook_dim + [1.0]
            del self.dropout.mask  # a parameter, which checkpoints would have
            self.dropout.mask = torch.tensor(said, device=codec.mask.device)
        self.learns = {
            weight: weight.requires_grad for weight in objective.parameters()
        }
        objective.requires_grad_(False)
        codec.shortcut_in.mlp.requires_grad_(True)
        codec.shortcut_out.mlp.requires_grad_(True)
        self.compose()

    def compose(self):
        """Compose the affine maps; again, whenever other weights are loaded."""
        # No buffers: a distributed wrapper would send them in every update.
        self.maps = compose_maps(self.objective.codec)

    def release(self):
        """Let everything learn again."""
        for weight, learns in self.learns.items():
            weight.requires_grad_(learns)

    @torch.no_grad()
    def project(self, groups):
        """What makes a difference to the path.

        Arguments
        ---------
        groups : torch.Tensor
            Normalized mel, shape [M, g, d].

        Returns
        -------
        torch.Tensor
            [M, R + S + 1], of the same type: components, place among the
            directions, and the squared distance from it, over g d.
        """
        path, maps, found = self.objective.codec.shortcut_in, self.maps, []
        # In full precision wherever it is called: a difference follows.
        with torch.autocast(maps.mel_bias.device.type, enabled=False):
            for chunk in groups.split(CHUNK):
                x = chunk.to(maps.mel_bias)
                rest = x.flatten(1) - maps.mel_bias
                place = rest @ maps.directions
                beyond = rest.square().sum(1) - place.square().sum(1)
                beyond = beyond.clamp(min=0).unsqueeze(1) / rest.shape[1]
                parts = path.see(x), place, beyond
                found.append(torch.cat(parts, dim=1).to(groups))
        return torch.cat(found)

    def forward(self, projected, generator=None):
        """The loss of projected groups, each with its own keep.

        Arguments
        ---------
        projected : torch.Tensor
            Of :meth:`project`, shape [M, R + S + 1].
        generator : torch.Generator
            Where nested dropout draws from.

        Returns
        -------
        torch.Tensor
            Scalar.
        """
        maps, path = self.maps, self.objective.codec.shortcut_out
        places = maps.mel_weight.shape[1]  # S
        seen, place, beyond = projected.float().tensor_split(
            [-places - 1, -1], dim=1
        )
        said, n_keep = self._encode(seen, generator)  # [M, K (c + 1)]
        h = path.bend(said @ maps.hidden_weight + maps.hidden_bias)
        drawn = torch.cat([said, h.float()], dim=1) @ maps.mel_weight  # [M, S]
        error = (drawn - place).square().sum(1) / maps.mel_bias.numel()
        error = error + beyond.squeeze(1)  # [M]
        if self.objective.balancer is None:
            return error.mean()
        return (self.objective.balancer(n_keep)[0] * error).mean()  # Eq. (5)

    def _encode(self, seen, generator):
        """Components [M, R] -> codes and whether they are masked; keeps [M]."""
        codec, maps = self.objective.codec, self.maps
        h = codec.shortcut_in.bend(seen)
        with torch.autocast(seen.device.type, enabled=False):
            z = h.float() @ maps.code_weight + maps.code_bias
            z = z.unflatten(1, (codec.num_codebooks, -1))  # [M, K, c]
            _, standardize = split_projection(codec.quantizer)
            codes = codec.quantizer.quantize(standardize(z))
        said = F.pad(codes, (0, 1)).unsqueeze(1)  # [M, 1, K, c + 1]
        n_keep = torch.full(said.shape[:1], said.shape[2], device=said.device)
        if self.dropout is not None:
            said, n_keep = self.dropout(said, generator=generator)
        return said.flatten(1), n_keep


class Maps(NamedTuple):
    """Affine maps around a path's hidden layers, of rows x -> x weight + bias.

    A row of what is ``said`` is K codes of c numbers, each followed by 1 if
    the token is masked (its numbers are 0 then) or by 0.
    """

    code_weight: torch.Tensor  # what the first layers draw -> [K c], unscaled
    code_bias: torch.Tensor
    hidden_weight: torch.Tensor  # said -> what the second layers see
    hidden_bias: torch.Tensor
    mel_weight: torch.Tensor  # said, and what the second draw -> [S]
    mel_bias: torch.Tensor  # [g d], not [S]
    directions: torch.Tensor  # [g d, S], orthonormal


@torch.no_grad()
def compose_maps(codec):
    """The :class:`Maps` of a codec's path, composed in double precision.

    Arguments
    ---------
    codec : Gogo
        With a shortcut, and a DiT with ``condition_skip``.

    Returns
    -------
    Maps
        In single precision.
    """
    codec = copy.deepcopy(codec).double().eval()
    path_in, path_out = codec.shortcut_in, codec.shortcut_out
    # Not even by their rounding do hidden layers change what is around them.
    path_in.mlp = path_out.mlp = None
    tokens, quantizer = codec.num_codebooks, codec.quantizer
    project, _ = split_projection(quantizer)
    rank = tokens * quantizer.codebook_dim
    said_size = rank + tokens

    def embed(said):
        said = said.unflatten(1, (tokens, -1))
        codes, masked = said[..., :-1], said[..., -1:]
        bias = quantizer.project_out.bias
        return quantizer.project_out(codes) + masked * (codec.mask - bias)

    def draw_mel(row):
        said, h = row[:, :said_size], row[:, said_size:]
        q = embed(said)
        aligned = codec.align(q.unsqueeze(1)) - path_out(q)  # [.., g, D]
        aligned = aligned + path_out.draw(h)
        return codec.flow.backbone.skip(aligned).flatten(1)

    size = said_size + path_out.up.shape[1]
    code = _affine(lambda h: project(path_in.draw(h)).flatten(1), rank, codec)
    hidden = _affine(lambda said: path_out.see(embed(said)), said_size, codec)
    weight, bias = _affine(draw_mel, size, codec)  # [size, g d]
    directions, _ = torch.linalg.qr(weight.T)
    maps = *code, *hidden, weight @ directions, bias, directions
    return Maps(*(tensor.float() for tensor in maps))


def _affine(function, count, codec):
    """Matrix [count, outputs] and offset [outputs] of a function of rows."""
    one = torch.eye(count, dtype=codec.mask.dtype, device=codec.mask.device)
    offset = function(torch.zeros_like(one[:1]))
    return function(one) - offset, offset[0]
