"""The log-mel of SoCodec and CoFi-Codec: magnitudes, Slaney filters, no centring.

As in Section 5.1 of SoCodec and Section III-A of CoFi-Speech: 80 bins every 10
ms. The vocoder's input, the decoder's target and the input of the global
embedding are the same features, never normalised.
"""

import torch
import torchaudio
from torch import nn
from torch.nn import functional as F

LEAST_POWER = 1e-9  # is added to all: the root of 0 has no gradient


class MagnitudeMel(nn.Module):
    """Natural logarithm of mel-filtered STFT magnitudes.

    The waveform is reflected by (n_fft - hop_length) / 2 at both ends, so that
    T samples have exactly T / hop_length frames. Zeros follow one that is too
    short for that.

    Arguments
    ---------
    sample_rate : int
        Sample rate of the waveform, in Hz.
    n_fft : int
        Samples of a Fourier transform.
    win_length : int
        Samples of the Hann window, in the middle of these.
    hop_length : int
        Samples from frame to frame.
    n_mels : int
        Mel bins, from 0 to half the sample rate.
    floor : float
        Lower bound of the magnitudes.

    Example
    -------
    >>> MagnitudeMel()(torch.randn(2, 1920)).shape
    torch.Size([2, 12, 80])
    """

    def __init__(
        self,
        sample_rate=16000,
        n_fft=1024,
        win_length=640,
        hop_length=160,
        n_mels=80,
        floor=1e-5,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.floor = floor
        window = torch.hann_window(win_length)
        filters = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1,
            0.0,
            sample_rate / 2,
            n_mels,
            sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )  # [n_fft / 2 + 1, n_mels]
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, wavs):
        """Log-mel [B, T / hop_length, n_mels] of waveforms [B, T] in [-1, 1].

        T is a multiple of ``hop_length``.
        """
        margin = (self.n_fft - self.hop_length) // 2
        with torch.autocast(wavs.device.type, enabled=False):
            long = F.pad(wavs, (0, max(0, margin + 1 - wavs.shape[1])))
            padded = F.pad(long.unsqueeze(1), (margin, margin), mode="reflect")
            spectrum = torch.stft(
                padded.squeeze(1),
                self.n_fft,
                self.hop_length,
                self.window.numel(),
                self.window,
                center=False,
                return_complex=True,
            )  # [B, n_fft / 2 + 1, T / hop]
            power = spectrum.real.square() + spectrum.imag.square()
            magnitude = (power + LEAST_POWER).sqrt().transpose(1, 2)
            mel = (
                magnitude[:, : wavs.shape[1] // self.hop_length] @ self.filters
            )
            return mel.clamp(min=self.floor).log()
