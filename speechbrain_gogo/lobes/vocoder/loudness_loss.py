"""Differences in loudness that a listener hears: a differentiable relative of PESQ.

The perceptual model of PESQ (ITU-T P.862; Beerends et al., 2002, J. Audio Eng.
Soc. 50(10)) for aligned signals, as a loss. Bands and thresholds are formulas
instead of tables, and spectra are not equalized: a vocoder has to reproduce them.

Letters: B batch, T samples, N frames, F frequencies, Q bands.
"""

import torch
import torchaudio
from torch import nn

RATE = 16000  # Hz, of the model
N_FFT = 512  # 32 ms, with an overlap of one half
NUM_BANDS = 49  # of equal width in Bark, up to 8 kHz
LEVEL_BAND = 325.0, 3250.0  # Hz, in which the level of speech is measured
LEVEL = 8e7  # power of speech there, if the power of 0 dB is 1
QUIETEST = 1e-6  # power of full scale in that band: quieter signals stay quiet
SONE = 0.1867  # loudness of 40 dB at 1 kHz is 1 sone
SYMMETRIC, ASYMMETRIC = 0.1, 0.0309  # of P.862
TINY = 1e-5  # where a root has no gradient


def bark(frequency):
    """Critical-band rate in Bark (Schroeder, 1977) of frequencies in Hz."""
    return 6 * torch.asinh(frequency / 600)


HIGHEST = float(bark(torch.tensor(RATE / 2)))  # Bark
BANDWIDTH = HIGHEST / NUM_BANDS  # of a band


def hearing_threshold(frequency):
    """Power that is just heard at frequencies in Hz (Terhardt, 1979), 1 at 0 dB."""
    khz = frequency / 1000
    decibels = (
        3.64 * khz**-0.8
        - 6.5 * torch.exp(-0.6 * (khz - 3.3) ** 2)
        + 1e-3 * khz**4
    )
    return 10 ** (decibels.clamp(max=60) / 10)


def band_filters():
    """Rectangular filters of equal width in Bark: [F, Q], and their centres in Hz.

    A frequency on an edge counts in parts: low bands are narrower than the
    distance of two frequencies.
    """
    step = RATE / N_FFT
    centres = torch.arange(N_FFT // 2 + 1) * step
    lower, upper = centres - step / 2, centres + step / 2
    edges = torch.linspace(0, HIGHEST, NUM_BANDS + 1)
    edges = 600 * torch.sinh(edges / 6)
    overlap = torch.minimum(upper[:, None], edges[1:]) - torch.maximum(
        lower[:, None], edges[:-1]
    )
    return overlap.clamp(min=0) / step, (edges[:-1] + edges[1:]) / 2


class LoudnessLoss(nn.Module):
    """Audible disturbance of a signal, with that of added sounds counted more.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals, in Hz.

    Example
    -------
    >>> loss = LoudnessLoss(24000)
    >>> wavs = torch.randn(2, 24000)
    >>> noisy = wavs + 0.5 * torch.randn(2, 24000)
    >>> round(float(loss(wavs, wavs)), 4), bool(loss(noisy, wavs) > 0.1)
    (0.0, True)
    """

    def __init__(self, sample_rate):
        super().__init__()
        self.resample = torchaudio.transforms.Resample(sample_rate, RATE)
        filters, centres = band_filters()
        frequencies = torch.linspace(0, RATE / 2, N_FFT // 2 + 1)
        low, high = LEVEL_BAND
        exponent = 0.23 * (6 / (bark(centres) + 2)).clamp(1, 2) ** 0.15
        constants = {
            "window": torch.hann_window(N_FFT),
            "filters": filters,
            "level_band": (frequencies > low) & (frequencies < high),
            "threshold": hearing_threshold(centres),
            "exponent": exponent,
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def power(self, wavs):
        """Power spectra [B, N, F] of signals [B, T]."""
        frames = torch.stft(
            self.resample(wavs),
            N_FFT,
            N_FFT // 2,
            window=self.window,
            return_complex=True,
        )
        # Not the square of abs, whose gradient is undefined at 0.
        return torch.view_as_real(frames).square().sum(-1).mT

    def forward(self, predicted, target):
        """Disturbance of a batch of signals [B, T] of at least 32 ms, a scalar.

        The mean over signals: 0 if nothing is audible.
        """
        heard, wanted = self.bands(predicted, target)
        heard = heard * self.frame_gain(heard, wanted)
        loud, right = self.loudness(heard), self.loudness(wanted)
        # A change that is small beside the weaker of both is masked.
        change = (loud - right).abs() - 0.25 * torch.minimum(loud, right)
        change = BANDWIDTH * change.clamp(min=0)  # [B, N, Q]
        # What was added disturbs more than what was left out.
        added = ((heard + 50) / (wanted + 50)) ** 1.2
        added = torch.where(added < 3, 0.0, added.clamp(max=12))
        total = BANDWIDTH * change.shape[-1]
        size = total**0.5 * (change.square().sum(-1) + TINY**2).sqrt()
        energy = ((wanted.sum(-1) + 1e5) / 1e7) ** 0.04
        symmetric = pool(size / energy)
        asymmetric = pool((change * added).sum(-1) / energy)
        return (SYMMETRIC * symmetric + ASYMMETRIC * asymmetric).mean()

    def bands(self, predicted, target):
        """Power of both signals in bands [B, N, Q], at the level of the target."""
        heard, wanted = self.power(predicted), self.power(target)
        level = wanted[..., self.level_band].sum(-1).mean(-1)  # [B]
        gain = LEVEL / level.clamp(min=QUIETEST)
        gain = gain[:, None, None]
        return gain * heard @ self.filters, gain * wanted @ self.filters

    def frame_gain(self, heard, wanted):
        """Gain [B, N, 1] that gives a frame the power of the target's.

        Errors of the gain disturb less than those of the spectrum.
        """
        audible = [
            (power * (power > self.threshold)).sum(-1, keepdim=True) + 5e3
            for power in (wanted, heard)
        ]
        gain = audible[0] / audible[1]
        later = 0.8 * gain[:, 1:] + 0.2 * gain[:, :-1]
        return torch.cat([gain[:, :1], later], 1).clamp(3e-4, 5)

    def loudness(self, power):
        """Loudness density in sone per Bark (Zwicker) of power in bands."""
        quiet = (2 * self.threshold) ** self.exponent
        ratio = (power / self.threshold).clamp(min=1)
        return SONE * quiet * ((0.5 + 0.5 * ratio) ** self.exponent - 1)


def pool(frames):
    """Norm over time, [B, N] -> [B]: L6 within 20 frames, L2 over these."""
    parts = frames.clamp(TINY, 45).unfold(1, min(20, frames.shape[1]), 10)
    parts = (parts**6).mean(-1) ** (1 / 6)
    return parts.square().mean(1).sqrt()
