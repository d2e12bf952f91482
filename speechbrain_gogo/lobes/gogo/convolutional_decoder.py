"""A small decoder: one pass from tokens to mel.

An MLP reads the tokens of each group, convolutions read neighbouring groups.
Not in the paper.

Letters: B batch, N groups, g frames per group, K tokens per group, R
components, P positions per group, T = N * g frames, d mel bins, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.encoder.group_mlp import ResidualMLP
from speechbrain_gogo.lobes.gogo.patches import check_patches, split_patches
from speechbrain_gogo.lobes.nn.lengths import length_mask


class DilatedConvolution(nn.Module):
    """Residual MLP over a position and one neighbour on each side.

    A convolution of three taps, written as one matrix product. The neighbours
    are ``dilation`` positions away.
    """

    def __init__(self, dim, hidden_dim, dilation):
        super().__init__()
        self.dilation = dilation
        self.norm = nn.RMSNorm(dim)
        self.expand = nn.Linear(3 * dim, hidden_dim)
        self.contract = nn.Linear(hidden_dim, dim)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(self, x, mask=None):
        """x [B, L, dim] -> the same; ``mask`` bool [B, L, 1], True if real."""
        y, far = self.norm(x), 2 * self.dilation
        if mask is not None:
            y = y * mask  # zeros after an utterance's end, as after the batch's
        padded = F.pad(y, (0, 0, self.dilation, self.dilation))
        y = torch.cat([padded[:, :-far], y, padded[:, far:]], dim=-1)
        return x + self.contract(F.gelu(self.expand(y), approximate="tanh"))


class ConvolutionalDecoder(nn.Module):
    """Token features to mel frames, in one pass.

    The mel of a group is a sum of linear components; a linear path and an MLP
    predict their weights from the tokens. Convolutions then correct the frames
    in context. MLP and convolutions start at zero.

    Arguments
    ---------
    n_mels : int
        Mel bins d.
    group_size : int
        Frames per group, g.
    num_tokens : int
        Tokens per group, K.
    cond_dim : int
        Width of a token's feature.
    num_components : int
        Linear components of a group's mel, R.
    hidden_dim : int
        Width of the MLP that reads a group.
    ffn_dim : int
        Width inside its layers.
    num_layers : int
        Number of layers.
    patch_size : int
        Frames per position; divides the group size.
    conv_dim : int
        Width of the convolutions.
    conv_ffn_dim : int
        Width inside them.
    dilations : list of int
        Of each convolution, in positions. A frame depends on as many positions
        on each side as their sum.

    Raises
    ------
    ValueError
        If the patch size does not divide the group size.

    Example
    -------
    >>> decoder = ConvolutionalDecoder(
    ...     10, 4, 3, 5, 8, 16, 32, 1, 2, 8, 16, [1]
    ... )
    >>> decoder(torch.randn(2, 28, 5)).shape
    torch.Size([2, 28, 10])
    """

    def __init__(
        self,
        n_mels=100,
        group_size=20,
        num_tokens=10,
        cond_dim=6,
        num_components=300,
        hidden_dim=640,
        ffn_dim=1280,
        num_layers=1,
        patch_size=4,
        conv_dim=320,
        conv_ffn_dim=960,
        dilations=(1, 2, 4, 1, 2, 4),
    ):
        super().__init__()
        check_patches(patch_size, group_size)
        self.n_mels = n_mels
        self.group_size = group_size
        self.num_tokens = num_tokens
        self.patch_size = patch_size
        self.positions = group_size // patch_size  # P
        tokens_dim = num_tokens * cond_dim
        self.linear = nn.Linear(tokens_dim, num_components)
        self.project_in = nn.Linear(tokens_dim, hidden_dim)
        self.layers = nn.Sequential(
            *[ResidualMLP(hidden_dim, ffn_dim) for _ in range(num_layers)]
        )
        self.group_norm = nn.RMSNorm(hidden_dim)
        self.correct_components = nn.Linear(hidden_dim, num_components)
        self.synthesis = nn.Linear(num_components, group_size * n_mels)
        self.spread = nn.Linear(hidden_dim, self.positions * conv_dim)
        self.read_mel = nn.Linear(patch_size * n_mels, conv_dim)
        self.convolutions = nn.ModuleList(
            DilatedConvolution(conv_dim, conv_ffn_dim, dilation)
            for dilation in dilations
        )
        self.norm = nn.RMSNorm(conv_dim)
        self.correct_mel = nn.Linear(conv_dim, patch_size * n_mels)
        for layer in (self.correct_components, self.correct_mel):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, cond, lens=None):
        """Normalized mel [B, N * g, d] of a condition with relative lengths [B].

        ``cond`` has the aligned features of :meth:`Gogo.align`, [B, N * g, D]: the
        first K places of each group are its tokens.
        """
        groups = cond.unflatten(1, (-1, self.group_size))  # [B, N, g, D]
        tokens = groups[:, :, : self.num_tokens].flatten(2)  # [B, N, K * D]
        x = self.group_norm(self.layers(self.project_in(tokens)))
        components = self.linear(tokens) + self.correct_components(x)
        mel = self.synthesis(components)  # [B, N, g * d]
        mel = mel.unflatten(2, (self.positions, -1)).flatten(1, 2)
        x = self.spread(x).unflatten(2, (self.positions, -1))
        x = x.flatten(1, 2) + self.read_mel(mel)  # [B, N * P, conv_dim]
        mask = length_mask(lens, x.shape[1])
        if mask is not None:
            mask = mask.unsqueeze(-1)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        mel = mel + self.correct_mel(self.norm(x))  # [B, N * P, patch * d]
        return split_patches(mel, self.patch_size)
