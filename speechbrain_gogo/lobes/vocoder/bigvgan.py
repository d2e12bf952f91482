"""BigVGAN: log-mel to audio with periodic, anti-aliased activations.

Lee et al. (2023), the vocoder of SoCodec and CoFi-Codec (Section 5.1). Of the
two kinds of residual blocks in that paper's code, these are the second: two
convolutions per block, not six. Weight normalisation is folded into the
weights.

Letters: B batch, C channels, T steps.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

TAPS = 12  # of the filters around an activation
RATIO = 2  # oversampling factor of an activation's input


def kaiser_sinc_filter():
    """A low-pass filter, [TAPS], whose taps add up to 1."""
    cutoff = 0.25  # gain one half, in cycles per sample
    half_width = 0.3  # of the transition
    attenuation = 2.285 * (TAPS // 2 - 1) * math.pi * 4 * half_width + 7.95
    beta = 0.1102 * (attenuation - 8.7)  # above 50 dB, as it is here
    window = torch.kaiser_window(TAPS, periodic=False, beta=beta)
    time = torch.arange(TAPS) - TAPS / 2 + 0.5
    taps = 2 * cutoff * window * torch.sinc(2 * cutoff * time)
    return taps / taps.sum()


class PeriodicActivation(nn.Module):
    """Snake-beta at twice the sampling rate: x + sin^2(a x) / b.

    Frequencies above half the sampling rate are then filtered out. a and b are
    learned for each channel, as logarithms.
    """

    def __init__(self, channels):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("up_filter", kaiser_sinc_filter())
        self.register_buffer("down_filter", kaiser_sinc_filter())

    def forward(self, x):
        """x [B, C, T] -> [B, C, T]."""
        channels = x.shape[1]
        margin = TAPS // RATIO - 1
        up = self.up_filter.expand(channels, 1, -1)
        x = F.pad(x, (margin, margin), mode="replicate")
        x = RATIO * F.conv_transpose1d(x, up, stride=RATIO, groups=channels)
        cut = margin * RATIO + (TAPS - RATIO) // 2
        x = x[..., cut:-cut]

        alpha, beta = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        x = x + (x * alpha).sin().square() / (beta + 1e-9)

        down = self.down_filter.expand(channels, 1, -1)
        x = F.pad(x, (TAPS // 2 - 1, TAPS // 2), mode="replicate")
        return F.conv1d(x, down, stride=RATIO, groups=channels)


class PeriodicBlock(nn.Module):
    """Dilated convolutions with residual connections, one activation before each."""

    def __init__(self, channels, kernel_size, dilations=(1, 3)):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(
                channels, channels, kernel_size, dilation=d, padding="same"
            )
            for d in dilations
        )
        self.activations = nn.ModuleList(
            PeriodicActivation(channels) for _ in dilations
        )

    def forward(self, x):
        """x [B, C, T] -> [B, C, T]."""
        for conv, activation in zip(self.convs, self.activations):
            x = x + conv(activation(x))
        return x


class BigVGAN(nn.Module):
    """The generator: transposed convolutions, each with parallel blocks.

    Arguments
    ---------
    n_mels : int
        Mel bins.
    channels : int
        Channels before the first stage; each stage halves them.
    rates : list of int
        Output steps for each input step, stage by stage; their product is the
        hop of the mel.
    rate_kernels : list of int
        Kernel of each transposed convolution.
    block_kernels : list of int
        Kernel of each parallel block of a stage.
    dilations : list of int
        Dilations of the convolutions of a block.

    Example
    -------
    >>> vocoder = BigVGAN(channels=64)
    >>> with torch.no_grad():
    ...     vocoder(torch.randn(2, 6, 80)).shape
    torch.Size([2, 960])
    """

    def __init__(
        self,
        n_mels=80,
        channels=512,
        rates=(5, 4, 2, 2, 2),
        rate_kernels=(11, 8, 4, 4, 4),
        block_kernels=(3, 7, 11),
        dilations=(1, 3),
    ):
        super().__init__()
        self.n_mels = n_mels
        self.channels = channels
        self.rates, self.rate_kernels = list(rates), list(rate_kernels)
        self.block_kernels = list(block_kernels)
        self.dilations = list(dilations)
        self.hop_length = math.prod(rates)
        self.conv_in = nn.Conv1d(n_mels, channels, 7, padding=3)
        self.upsamplings, self.blocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(rates, rate_kernels):
            self.upsamplings.append(
                nn.ConvTranspose1d(
                    channels,
                    channels // 2,
                    kernel,
                    rate,
                    padding=(kernel - rate) // 2,
                )
            )
            channels //= 2
            self.blocks.append(
                nn.ModuleList(
                    PeriodicBlock(channels, size, dilations)
                    for size in block_kernels
                )
            )
        self.activation = PeriodicActivation(channels)
        self.conv_out = nn.Conv1d(channels, 1, 7, padding=3)

    @property
    def context(self):
        """Largest number of frames on each side on which an output frame depends."""
        reach, step = self.conv_in.kernel_size[0] // 2, 1.0  # in frames
        for up, blocks in zip(self.upsamplings, self.blocks):
            step /= up.stride[0]
            reach += up.kernel_size[0] // 2 * step
            filters = 2 * (TAPS // 2)  # up and down, of each activation
            reach += step * max(
                sum(
                    conv.dilation[0] * (conv.kernel_size[0] // 2) + filters
                    for conv in block.convs
                )
                for block in blocks
            )
        return math.ceil(reach + step * (TAPS + self.conv_out.kernel_size[0]))

    def forward(self, mel):
        """Log-mel [B, M, n_mels] to waveforms [B, M * hop_length]."""
        x = self.conv_in(mel.transpose(1, 2))
        for up, blocks in zip(self.upsamplings, self.blocks):
            x = up(x)
            x = sum(block(x) for block in blocks) / len(blocks)
        return self.conv_out(self.activation(x)).tanh().squeeze(1)
