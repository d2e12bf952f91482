"""What samples must be, and how they become mono and of one rate.

Files (audio.py) and tensors (inference/waveforms.py) pass the same checks.
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

# Samples beyond this are no waveform in [-1, 1], however hot it was recorded.
LOUDEST = 4.0


class AudioError(ValueError):
    """Audio cannot be used; ``reason`` is what it is counted by."""

    def __init__(self, reason, detail):
        super().__init__(f"{detail} ({reason})")
        self.reason = reason
        self.detail = detail

    def __reduce__(self):  # worker processes send it home
        return type(self), (self.reason, self.detail)


def check_finite(wav, name):
    """Refuse NaN and Inf.

    Arguments
    ---------
    wav : torch.Tensor
        Samples.
    name : str
        What the error calls them.

    Raises
    ------
    AudioError
        If a sample is not finite.
    """
    low, high = torch.aminmax(wav)  # NaN spreads
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise AudioError(
            "NaN or Inf", f"{name} holds NaN or Inf samples: clean it first."
        )


def check_range(wav, name):
    """Refuse samples that were never scaled to [-1, 1].

    Arguments
    ---------
    wav, name
        As in :func:`check_finite`.

    Raises
    ------
    AudioError
        If a sample is beyond LOUDEST.
    """
    low, high = torch.aminmax(wav)
    peak = float(max(-low, high))
    if peak > LOUDEST:
        raise AudioError(
            "not in [-1, 1]",
            f"{name} peaks at {peak:.0f}: divide 16-bit samples by 32768.",
        )


def check_rate(rate, wanted, name):
    """Refuse rates between which no filter of sensible size converts.

    Arguments
    ---------
    rate : int
        Rate of the samples, in Hz.
    wanted : int
        Rate to convert to, in Hz.
    name : str
        As in :func:`check_finite`.

    Raises
    ------
    AudioError
        If the rate is not positive, or has next to no factor in common with
        the wanted one.
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
    """Mean of the channels: [..., T, C] -> [..., T], said once."""
    channels = samples.shape[-1]
    if channels == 1:
        return samples[..., 0]
    _say_downmixed(channels)
    return samples.mean(dim=-1)


@functools.cache
def _say_downmixed(channels):
    logger.warning("Audio of %d channels is downmixed to one.", channels)
