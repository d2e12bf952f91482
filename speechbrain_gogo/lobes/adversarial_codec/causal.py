"""Causal convolutional stacks of SoCodec (Section 3.2, "ResNet blocks").

A layer's output depends on the current and earlier steps only. Later steps,
including padding, do not change it, and a decoder can run token by token.

Letters: B batch, C channels, T steps.
"""

from fractions import Fraction

from torch import nn
from torch.nn import functional as F

STEPS_OF_UNIT = 4  # earlier steps that a residual unit sees: two kernels of 3


class CausalConv(nn.Conv1d):
    """A convolution whose padding, kernel_size - 1 zeros, is on the left.

    With a stride, output t depends on inputs up to stride * t, the first of the
    ``stride`` inputs that it covers.
    """

    def forward(self, x):
        """x [B, C, T] -> [B, C', ceil(T / stride)]."""
        return super().forward(F.pad(x, (self.kernel_size[0] - 1, 0)))


class CausalUpsampling(nn.ConvTranspose1d):
    """A transposed convolution of kernel 2s and stride s without a tail.

    Output n depends on the inputs floor(n / s) - 1 and floor(n / s).
    """

    def __init__(self, channels, stride):
        super().__init__(channels, channels, 2 * stride, stride)

    def forward(self, x):
        """x [B, C, T] -> [B, C, s * T]."""
        return super().forward(x)[..., : -self.stride[0]]


class ResidualUnit(nn.Module):
    """Two grouped causal convolutions with a residual connection."""

    def __init__(self, channels, groups):
        super().__init__()
        self.first = CausalConv(channels, channels, 3, groups=groups)
        self.second = CausalConv(channels, channels, 3, groups=groups)

    def forward(self, x):
        """x [B, C, T] -> [B, C, T]."""
        return x + self.second(F.silu(self.first(x)))


class ResidualUnits(nn.Sequential):
    """Residual units with activations between them."""

    def __init__(self, channels, groups, num_units=2):
        super().__init__(
            *[ResidualUnit(channels, groups) for _ in range(num_units)]
        )

    def forward(self, x):
        """x [B, C, T] -> [B, C, T]."""
        x = self[0](x)
        for unit in list(self)[1:]:
            x = unit(F.silu(x))
        return x


class Downsampling(nn.Module):
    """Residual units, then a strided causal convolution."""

    convolution = CausalConv

    def __init__(self, channels, stride, groups, num_units=2):
        super().__init__()
        self.units = ResidualUnits(channels, groups, num_units)
        self.resample = self.convolution(channels, channels, 2 * stride, stride)

    def forward(self, x):
        """x [B, C, T] -> [B, C, ceil(T / stride)]."""
        return self.resample(F.silu(self.units(x)))


class Upsampling(nn.Module):
    """A causal transposed convolution, then residual units."""

    def __init__(self, channels, stride, groups, num_units=2):
        super().__init__()
        self.resample = CausalUpsampling(channels, stride)
        self.units = ResidualUnits(channels, groups, num_units)

    def forward(self, x):
        """x [B, C, T] -> [B, C, stride * T]."""
        return self.units(F.silu(self.resample(x)))


class CausalStack(nn.Module):
    """A convolution, blocks that change the rate, and a convolution.

    Arguments as in :class:`CausalEncoder`. A subclass has the class of its
    blocks, each [B, channels, T] -> [B, channels, T'].
    """

    def __init__(
        self, in_channels, channels, out_channels, strides, groups, num_units=2
    ):
        super().__init__()
        blocks = [self.block(channels, s, groups, num_units) for s in strides]
        self.conv_in = CausalConv(in_channels, channels, 3)
        self.blocks = nn.ModuleList(blocks)
        self.conv_out = CausalConv(channels, out_channels, 3)
        self.apply(keep_variance)

    def hidden(self, x):
        """Input of the last convolution: [B, in_channels, T] -> [B, channels, T']."""
        x = F.silu(self.conv_in(x))
        for block in self.blocks:
            x = F.silu(block(x))
        return x

    @property
    def reach(self):
        """Receptive field: how far back an output depends on inputs.

        Two Fractions: earlier input steps that a step of :meth:`hidden` depends on,
        and input steps for each of its steps.
        """
        step = Fraction(1)
        reach = 2 * step
        for block in self.blocks:
            units = STEPS_OF_UNIT * len(block.units)
            stride = block.resample.stride[0]
            if isinstance(block, Downsampling):
                reach += (units + 2 * stride - 1) * step
                step *= stride
            else:
                reach += step
                step /= stride
                reach += units * step
        return reach, step

    def forward(self, x):
        """x [B, in_channels, T] -> [B, out_channels, T']."""
        return self.conv_out(self.hidden(x))


class CausalEncoder(CausalStack):
    """Features at a high rate to features at a low one.

    Arguments
    ---------
    in_channels, channels, out_channels : int
        Channels before, within and after the encoder.
    strides : list of int
        Strides of each block; their product is how many steps become one.
    groups : int
        Groups of the convolutions of residual units.
    num_units : int
        Residual units of each block.

    Example
    -------
    >>> import torch
    >>> encoder = CausalEncoder(12, 16, 8, strides=[2, 3], groups=4)
    >>> encoder(torch.randn(2, 12, 18)).shape
    torch.Size([2, 8, 3])
    """

    block = Downsampling


class CausalDecoder(CausalStack):
    """Features at a low rate to features at a high one.

    Arguments
    ---------
    in_channels, channels, out_channels, strides, groups, num_units
        As in :class:`CausalEncoder`; strides upsample here.

    Example
    -------
    >>> import torch
    >>> decoder = CausalDecoder(8, 16, 80, strides=[3, 2], groups=4)
    >>> decoder(torch.randn(2, 8, 3)).shape
    torch.Size([2, 80, 18])
    """

    block = Upsampling


def keep_variance(module):
    """Initialize a convolution so that its output has about the variance of its input.

    Residual units keep the smaller default: they start near the identity.
    """
    if isinstance(module, CausalUpsampling):  # an output depends on two inputs
        std = module.in_channels**-0.5
    elif isinstance(module, CausalConv) and module.groups == 1:
        std = (2 / (module.in_channels * module.kernel_size[0])) ** 0.5
    else:
        return
    nn.init.normal_(module.weight, std=std)
    nn.init.zeros_(module.bias)
