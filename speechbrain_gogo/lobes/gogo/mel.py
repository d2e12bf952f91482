"""Log-mel features as the Vocos vocoder reads them (Section 4.1).

Frames are centred at multiples of the hop, with zeros beyond both ends of the
audio, so that a signal cut anywhere on the hop grid gives the same frames as
the whole. Inside the audio they equal Vocos' own feature extractor.
"""

import torch
import torchaudio
from torch import nn


class VocosMel(nn.Module):
    """Log-mel spectrogram, magnitude (not power), clipped at 1e-7.

    Arguments
    ---------
    sample_rate : int
        Sample rate of the waveform, in Hz.
    n_fft : int
        Size of the window and of the FFT, in samples.
    hop_length : int
        Samples between frames.
    n_mels : int
        Mel bins d.

    Example
    -------
    >>> mel = VocosMel()
    >>> mel(torch.randn(2, 5120)).shape
    torch.Size([2, 20, 100])
    """

    clip = 1e-7  # the least magnitude

    def __init__(
        self, sample_rate=24000, n_fft=1024, hop_length=256, n_mels=100
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.spectrogram = torchaudio.transforms.MelSpectrogram(
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            center=False,
            power=1,
        )
        # The window and the filters follow from the numbers above: they are
        # no weights and stay out of the state dict.
        for module in self.spectrogram.modules():
            for name, value in list(module.named_buffers(recurse=False)):
                module.register_buffer(name, value, persistent=False)

    @property
    def margin(self):
        """Samples on each side of a frame's centre on which it depends."""
        return self.n_fft // 2

    def forward(self, wavs):
        """Log-mel [B, T / hop, n_mels] of waveforms [B, T] in [-1, 1].

        There is silence beyond their ends; T is a multiple of the hop.
        """
        # T + n_fft - hop samples give exactly T / hop windows.
        right = self.n_fft - self.margin - self.hop_length
        return self.frames(torch.nn.functional.pad(wavs, (self.margin, right)))

    def frames(self, wavs):
        """Log-mel [B, F, n_mels] of [B, (F - 1) * hop + n_fft], without padding."""
        with torch.autocast(wavs.device.type, enabled=False):
            magnitude = self.spectrogram(wavs.float())  # [B, n_mels, F]
        return magnitude.clamp(min=self.clip).log().transpose(1, 2)
