"""Encoder and decoder blocks of CoFi-Codec (Section II-A).

Convolutions are causal; a downsampling one also reads all steps that its output
covers. A group's tokens therefore do not depend on later audio, and its audio
does not depend on later tokens.

Letters: B batch, T steps, C channels.
"""

from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.adversarial_codec.causal import (
    STEPS_OF_UNIT,
    CausalConv,
    CausalUpsampling,
    Downsampling,
    ResidualUnits,
    keep_variance,
)


class StridedConv(CausalConv):
    """A strided convolution of kernel 2s, aligned to the end of its steps.

    Output t reads the s steps that it covers, and the s steps before them.
    """

    def forward(self, x):
        """x [B, C, s * T] -> [B, C, T]."""
        padded = F.pad(x, (self.stride[0], 0))
        return nn.Conv1d.forward(self, padded)


class EncoderBlock(Downsampling):
    """Residual units, then a strided convolution: enc_i of Figure 1."""

    convolution = StridedConv

    def __init__(self, channels, stride, num_units, groups=1):
        super().__init__(channels, stride, groups, num_units)
        keep_variance(self.resample)
        # Input steps before its own that an output depends on.
        self.reach = STEPS_OF_UNIT * num_units + stride


class DecoderBlock(nn.Module):
    """Residual units, then a transposed convolution: dec_i of Figure 1."""

    def __init__(self, channels, stride, num_units, groups=1):
        super().__init__()
        self.units = ResidualUnits(channels, groups, num_units)
        self.resample = CausalUpsampling(channels, stride)
        keep_variance(self.resample)
        # Input steps before its own that an output depends on.
        self.reach = STEPS_OF_UNIT * num_units + 1

    def forward(self, x):
        """x [B, C, T] -> [B, C, s * T]."""
        return self.resample(F.silu(self.units(x)))


class ScaleEncoder(nn.Module):
    """Log-mel to the sequences e^1 .. e^Ns of all scales.

    Arguments
    ---------
    n_mels : int
        Mel bins.
    channels : int
        C.
    strides : list of int
        Strides of enc_1 .. enc_Ns, the finest scale first.
    num_units : list of int
        Residual units of each.
    groups : int
        Groups of the convolutions of residual units.

    Example
    -------
    >>> import torch
    >>> encoder = ScaleEncoder(80, 8, strides=[2, 2, 3], num_units=[2, 1, 1])
    >>> [e.shape[1] for e in encoder(torch.randn(2, 24, 80))]
    [12, 6, 2]
    """

    def __init__(self, n_mels, channels, strides, num_units, groups=1):
        super().__init__()
        self.conv_in = CausalConv(n_mels, channels, 3)
        self.blocks = nn.ModuleList(
            EncoderBlock(channels, *each, groups)
            for each in zip(strides, num_units)
        )

    def forward(self, mel):
        """Log-mel [B, M, n_mels] -> a list of e^i [B, T_i, C], i = 1..Ns."""
        x, found = self.conv_in(mel.transpose(1, 2)), []
        for block in self.blocks:
            x = block(x)
            found.append(x.transpose(1, 2))
        return found

    @property
    def reach(self):
        """Number of earlier mel frames on which a step of the coarsest scale depends."""
        frames, step = 2, 1
        for block in self.blocks:
            frames += block.reach * step
            step *= block.resample.stride[0]
        return frames


class ScaleDecoder(nn.Module):
    """Quantized sequences to log-mel, scale by scale.

    Arguments
    ---------
    n_mels, channels, strides, num_units, groups
        As in :class:`ScaleEncoder`.

    Example
    -------
    >>> import torch
    >>> decoder = ScaleDecoder(80, 8, strides=[2, 2, 3], num_units=[2, 1, 1])
    >>> coarse, g = torch.randn(2, 4, 8), torch.randn(2, 8)
    >>> decoder.step(2, torch.zeros(2, 4, 8), coarse, g).shape
    torch.Size([2, 12, 8])
    """

    def __init__(self, n_mels, channels, strides, num_units, groups=1):
        super().__init__()
        self.blocks = nn.ModuleList(
            DecoderBlock(channels, *each, groups)
            for each in zip(strides, num_units)
        )
        self.conv_out = CausalConv(channels, n_mels, 3)
        keep_variance(self.conv_out)

    def step(self, place, d, q, g):
        """d^(i-1), [B, s * T_i, C], from d^i and the quantized residual s^i.

        ``place`` is i - 1, from Ns - 1 (the coarsest scale) down to 0; d^i and s^i
        are [B, T_i, C]; g are global embeddings [B, C].
        """
        x = (d + q + g.unsqueeze(1)).transpose(1, 2)
        return self.blocks[place](x).transpose(1, 2)

    def forward(self, d):
        """d^0 [B, M, C] -> log-mel [B, M, n_mels]."""
        return self.conv_out(F.silu(d.transpose(1, 2))).transpose(1, 2)

    def reach(self, last):
        """Number of earlier mel frames on which a step of d^(i-1) depends.

        ``last`` is i - 1: blocks are applied from the coarsest scale to this one.
        """
        frames, step = 0, 1
        for place, block in enumerate(self.blocks):
            step *= block.resample.stride[0]
            if place >= last:
                frames += block.reach * step
        return frames
