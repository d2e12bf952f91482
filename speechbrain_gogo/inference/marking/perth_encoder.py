"""The part of resemble-perth 1.0.1 that adds the watermark.

Its own module imports librosa and numba, which takes longer than synthesising a
sentence. The network is a few convolutions over a spectrogram; its weights are
read from the installed package, whose detector stays in use (perth.py).

Letters: T samples, F frames, W bins of the spectrum that carry the watermark.
"""

from importlib.metadata import PackageNotFoundError, distribution

import torch
from torch.nn import functional as F

PACKAGE = "resemble-perth"
WEIGHTS = "perth/perth_net/pretrained/implicit/perth_net_250000.pth.tar"
N_FFT, HOP, BINS = 2048, 320, 128  # of 32 kHz: up to 2 kHz
LAYERS = 7
SMALLEST = 1e-9  # magnitude
# Its levels are decibels, scaled so that the smallest magnitude is 0.
FLOOR, RANGE = 180.0, 195.0
AUDIBLE = 0.05  # of the loudest frame


class PerthEncoder:
    """Computes the signal that Perth adds to audio at 32 kHz.

    Raises
    ------
    ImportError
        If resemble-perth is not installed, or has other files.
    """

    def __init__(self):
        try:
            path = distribution(PACKAGE).locate_file(WEIGHTS)
            options = {"map_location": "cpu", "weights_only": True}
            found = torch.load(path, mmap=True, **options)["model"]
        except (PackageNotFoundError, OSError) as error:
            raise ImportError(
                f"{PACKAGE} is needed ({error}): pip install "
                '"speechbrain_gogo[watermark]"'
            ) from error
        names = [f"encoder.layers.{i}.conv" for i in range(LAYERS)]
        self.layers = [
            (found[f"{name}.weight"], found[f"{name}.bias"]) for name in names
        ]
        self.window = torch.hann_window(N_FFT, dtype=torch.float32)

    @torch.no_grad()
    def difference(self, wav):
        """What is added to a waveform.

        Arguments
        ---------
        wav : torch.Tensor
            float32 [T] on the CPU.

        Returns
        -------
        torch.Tensor
            float32 [T], T cut to whole hops.
        """
        sizes = N_FFT, HOP, N_FFT, self.window
        spectrum = torch.stft(wav, *sizes, return_complex=True)  # [bins, F]
        level = 20 * spectrum.abs().clip(SMALLEST).log10()
        level = (level + FLOOR) / RANGE
        loudness = level.sum(0)  # [F]
        change = self._network(level[:BINS]) * (
            loudness > AUDIBLE * loudness.max()
        )
        gain = 10 ** (RANGE / 20 * change)  # [W, F]
        added = torch.zeros_like(spectrum)
        added[:BINS] = spectrum[:BINS] * (gain - 1)
        return torch.istft(added, *sizes)

    def _network(self, x):
        """Change of the levels, [W, F] -> [W, F]."""
        x = x.unsqueeze(0)
        for weight, bias in self.layers[:-1]:
            x = F.conv1d(x, weight, bias, padding=weight.shape[2] // 2)
            x = F.leaky_relu(x, inplace=True)
        return F.conv1d(x, *self.layers[-1])[0]
