"""Augmentation of training clips: speed, pitch, level and spectrum.

The random numbers depend on the seed, the epoch and the clip only, not on
workers or on when a training was resumed. Not in the paper, which has tens of
thousands of hours; augmentation is for corpora of a few hours.
"""

import math
import random
from dataclasses import dataclass

import torch
import torchaudio

from speechbrain_gogo.default_dtype import float32_by_default

NUM_CURVES = 6  # cosines along a logarithmic frequency axis
LOWEST = 60.0  # Hz, where that axis begins


@dataclass
class ClipAugmentation:
    """Changes a clip's start, speed, level and spectrum, or inserts noise before it.

    Arguments
    ---------
    sample_rate : int
        Sample rate of the clips, in Hz.
    seed : int
        Seed of all random numbers.
    max_start : int
        Largest number of samples to cut off at the beginning, which shifts
        the borders of groups.
    speeds : list of float
        Factors of speed and pitch, of which one is sampled.
    gain_db : tuple of float
        Lowest and highest gain, in dB; the gain is limited so that no
        sample exceeds full scale.
    filter_db : float
        Standard deviation of a smooth random filter, in dB; 0 for none.
    filter_share : float
        Share of the clips that are filtered.
    max_lead : int
        Largest number of samples of faint noise to insert before the clip,
        which also shifts the borders of groups, without losing speech.
    lead_noise : float
        Standard deviation of that noise; full scale is 1, the default -80 dB.

    Example
    -------
    >>> augment = ClipAugmentation(24000, seed=1, max_start=5120)
    >>> wav = torch.rand(48000) - 0.5
    >>> changed = augment(wav, epoch=1, key="clip")
    >>> bool((augment(wav, epoch=1, key="clip") == changed).all())
    True
    >>> changed.shape == augment(wav, epoch=2, key="clip").shape
    False
    """

    sample_rate: int
    seed: int = 0
    max_start: int = 0
    speeds: tuple = (0.85, 0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.15)
    gain_db: tuple = (-8.0, 4.0)
    filter_db: float = 4.0
    filter_share: float = 0.5
    max_lead: int = 0
    lead_noise: float = 1e-4

    def __call__(self, wav, epoch, key):
        """A changed copy of a clip: [T] -> [T'].

        ``epoch`` is that of the training, or the number of the copy; ``key`` is
        the clip's ID.
        """
        draw = random.Random(f"{self.seed} {epoch} {key}")
        start = draw.randint(0, min(self.max_start, len(wav) // 2))
        wav = self.change_speed(wav[start:], draw.choice(self.speeds))
        if draw.random() < self.filter_share:
            heights = [draw.gauss(0, self.filter_db) for _ in range(NUM_CURVES)]
            wav = self.filter(wav, heights)
        gain = 10 ** (draw.uniform(*self.gain_db) / 20)
        peak = float(wav.abs().max()) + 1e-9
        wav = wav * min(gain, 1 / peak)
        return torch.cat([self.lead(draw), wav]) if self.max_lead else wav

    def lead(self, draw):
        """Up to ``max_lead`` samples of faint noise."""
        generator = torch.Generator().manual_seed(draw.getrandbits(32))
        samples = draw.randint(0, self.max_lead)
        return self.lead_noise * torch.randn(samples, generator=generator)

    def change_speed(self, wav, speed):
        """[T] -> about [T / speed]; the pitch is higher by the same factor."""
        if speed == 1:
            return wav
        # A ratio of small whole numbers keeps the resampling filters small.
        source = round(100 * speed)
        with float32_by_default():  # see resampling.py
            return torchaudio.functional.resample(wav, source, 100)

    def filter(self, wav, heights):
        """Filter [T] by a smooth zero-phase response.

        ``heights`` are the amplitudes of the cosines along the logarithmic
        frequency axis, in dB.
        """
        # Padded for the impulse response.
        size = len(wav) + self.sample_rate // 20
        frequencies = torch.fft.rfftfreq(size, 1 / self.sample_rate)
        octaves = (frequencies.clamp(min=LOWEST) / LOWEST).log2()
        place = octaves / octaves[-1]  # 0 to 1
        number = torch.arange(1, NUM_CURVES + 1).unsqueeze(1)
        curves = torch.cos(math.pi * number * place)  # [curves, bins]
        scale = torch.tensor(heights) / math.sqrt(NUM_CURVES)
        gain = 10 ** ((scale.unsqueeze(1) * curves).sum(0) / 20)
        spectrum = torch.fft.rfft(wav, size)
        return torch.fft.irfft(spectrum * gain, size)[: len(wav)]
