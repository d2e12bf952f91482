"""Checks of samples and rates, and the conversion to mono.

The same checks apply to files (sound.py) and tensors (inference/checks/waveforms.py).
"""

import functools
import logging
import math
from numbers import Integral

import torch

logger = logging.getLogger(__name__)

# Taps of a resampling filter over all its phases. The oddest rate in use,
# 44056 Hz, needs 2**24 to become 24 kHz.
MAX_FILTER = 2**25

# A waveform in [-1, 1] may exceed the range somewhat, but not by this factor.
LOUDEST = 4.0


class AudioError(ValueError):
    """Audio that cannot be used, counted under ``reason``."""

    def __init__(self, reason, detail):
        super().__init__(f"{detail} ({reason})")
        self.reason = reason
        self.detail = detail

    def __reduce__(self):  # for pickling: worker processes send it
        return type(self), (self.reason, self.detail)


def check_finite(wav, name):
    """Raise an AudioError, with the audio's name, if a sample is NaN or Inf."""
    low, high = torch.aminmax(wav)  # NaN if a sample is NaN
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise AudioError(
            "NaN or Inf", f"{name} holds NaN or Inf samples: clean it first."
        )


def check_range(wav, name):
    """Raise an AudioError if samples are not scaled to [-1, 1]."""
    low, high = torch.aminmax(wav)
    peak = float(max(-low, high))
    if peak > LOUDEST:
        raise AudioError(
            "not in [-1, 1]",
            f"{name} peaks at {peak:.0f}: divide 16-bit samples by 32768.",
        )


def check_rate(rate, wanted, name):
    """Raise an AudioError if resampling would need too large a filter.

    Rates are in Hz: ``rate`` is refused if it is not positive, or has almost no
    common factor with the wanted one.
    """
    if not isinstance(rate, Integral) or rate < 1:
        raise AudioError(
            "unknown rate", f"{name} has sample_rate={rate}: give it in Hz."
        )
    factor = math.gcd(int(rate), wanted)
    if rate * wanted // factor**2 > MAX_FILTER:
        raise AudioError(
            "unknown rate",
            f"{name} has {rate} Hz, no usual rate of audio: resample it.",
        )


def to_mono(samples):
    """Mean of the channels, [..., T, C] -> [..., T]; logs it once."""
    channels = samples.shape[-1]
    if channels == 1:
        return samples[..., 0]
    _say_downmixed(channels)
    return samples.mean(dim=-1)


@functools.cache
def _say_downmixed(channels):
    logger.warning("Audio of %d channels is downmixed to one.", channels)
