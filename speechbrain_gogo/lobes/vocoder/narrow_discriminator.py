"""The multi-resolution discriminator of Vocos with fewer channels.

Its cost grows with the square of the channels: those of the paper (Siuzdak, 2023)
take a GPU, a quarter of them a CPU.
"""

from torch import nn
from vocos.discriminators import DiscriminatorR, MultiResolutionDiscriminator


class NarrowDiscriminator(MultiResolutionDiscriminator):
    """Scores spectrograms of several window lengths, as Vocos' does.

    Arguments
    ---------
    fft_sizes : sequence of int
        Window lengths, in samples.
    channels : int
        Channels of each convolution; 32 in Vocos.

    Example
    -------
    >>> import torch
    >>> judge, wavs = NarrowDiscriminator([64], channels=4), torch.randn(2, 640)
    >>> real, fake, _, _ = judge(y=wavs, y_hat=wavs)
    >>> len(real), real[0].shape == fake[0].shape
    (1, True)
    """

    def __init__(self, fft_sizes=(2048, 1024, 512), channels=8):
        super().__init__(fft_sizes=[])
        self.discriminators = nn.ModuleList(
            DiscriminatorR(size, channels=channels) for size in fft_sizes
        )
