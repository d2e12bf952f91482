"""LoudnessLoss: the perceptual model of P.862 in loops, and the pesq package."""

import math

import numpy as np
import pytest
import torch
from pesq import pesq

from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.inference.demo.run import EXAMPLE
from speechbrain_gogo.lobes.vocoder.loudness_loss import LoudnessLoss

BANDS, STEP = 49, 16000 / 512


@pytest.fixture(scope="module")
def speech():
    return read_audio(EXAMPLE, 16000)[None, 8000:32000]


def noisy(wavs, level):
    generator = torch.Generator().manual_seed(0)
    return wavs + level * torch.randn(wavs.shape, generator=generator)


def bark(frequency):
    return 6 * math.asinh(frequency / 600)


def list_bands():
    """Edges in Hz, threshold and exponent of each band."""
    for band in range(BANDS):
        low, high = (
            600 * math.sinh(bark(8000) * edge / BANDS / 6)
            for edge in (band, band + 1)
        )
        khz = (low + high) / 2000
        level = 3.64 / khz**0.8 - 6.5 * math.exp(-0.6 * (khz - 3.3) ** 2)
        threshold = 10 ** (min(60, level + khz**4 / 1000) / 10)
        exponent = min(2, max(1, 6 / (bark(1000 * khz) + 2))) ** 0.15
        yield low, high, threshold, 0.23 * exponent


def spectra(wav):
    wav = np.pad(wav, 256, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    starts = range(0, len(wav) - 511, 256)
    frames = [
        np.fft.rfft(window * wav[start : start + 512]) for start in starts
    ]
    return np.abs(frames) ** 2


def band_power(spectrum, low, high):
    """Sum over frequencies, each as wide as the distance to the next."""
    total = 0.0
    for place, power in enumerate(spectrum):
        left, right = (place - 0.5) * STEP, (place + 0.5) * STEP
        part = min(right, high) - max(left, low)
        total += power * max(0, part) / STEP
    return total


def disturbance(heard, wanted):
    """The loss of two signals, by definition."""
    bands = list(list_bands())
    heard, wanted = spectra(heard), spectra(wanted)
    level = np.mean(
        [
            sum(p for f, p in enumerate(s) if 325 < f * STEP < 3250)
            for s in wanted
        ]
    )
    heard, wanted = (
        [
            [
                8e7 / level * band_power(frame, low, high)
                for low, high, *_ in bands
            ]
            for frame in side
        ]
        for side in (heard, wanted)
    )
    width, last = bark(8000) / BANDS, None
    sizes, added = [], []
    for frame, truth in zip(heard, wanted):
        audible = [
            5e3 + sum(p for p, band in zip(side, bands) if p > band[2])
            for side in (truth, frame)
        ]
        now = audible[0] / audible[1]
        gain = now if last is None else 0.8 * now + 0.2 * last
        last, gain = now, min(5, max(3e-4, gain))
        square = more = 0.0
        for power, true, (_, _, threshold, exponent) in zip(
            frame, truth, bands
        ):
            power = power * gain
            one, two = (
                0.1867
                * (2 * threshold) ** exponent
                * ((0.5 + 0.5 * max(1, p / threshold)) ** exponent - 1)
                for p in (power, true)
            )
            change = width * max(0, abs(one - two) - 0.25 * min(one, two))
            factor = ((power + 50) / (true + 50)) ** 1.2
            square += change**2
            more += change * (min(12, factor) if factor >= 3 else 0)
        energy = ((sum(truth) + 1e5) / 1e7) ** 0.04
        sizes.append(min(45, math.sqrt(bark(8000) * square) / energy))
        added.append(min(45, more / energy))

    def pool(values):
        parts = [
            np.mean(np.array(values[start : start + 20]) ** 6) ** (1 / 6)
            for start in range(0, len(values) - 19, 10)
        ]
        return math.sqrt(np.mean(np.square(parts)))

    return 0.1 * pool(sizes) + 0.0309 * pool(added)


def test_loss_by_definition(speech):
    wanted = speech[:, :9000]
    heard = noisy(0.7 * wanted, 0.01)
    loss = LoudnessLoss(16000)(heard, wanted)
    expected = disturbance(heard[0].double().numpy(), wanted[0].numpy())
    assert float(loss) == pytest.approx(expected, rel=1e-3)


def test_order_is_that_of_pesq(speech):
    """At several levels of noise; batch equals single."""
    loss = LoudnessLoss(16000)
    versions = [noisy(speech, 10**-power) for power in (1, 1.5, 2, 2.5, 3)]
    ours = [float(loss(version, speech)) for version in versions]
    theirs = [
        pesq(16000, speech[0].numpy(), version[0].numpy(), "wb")
        for version in versions
    ]
    assert ours == sorted(ours, reverse=True) and theirs == sorted(theirs)
    whole = loss(torch.cat(versions), speech.expand(len(versions), -1))
    assert float(whole) == pytest.approx(np.mean(ours), rel=1e-5)


def test_level_does_not_matter_and_gradients_are_finite(speech):
    """Also in digital silence and where both signals are equal."""
    loss = LoudnessLoss(24000)
    heard = noisy(speech, 0.003)
    quieter = loss(0.1 * heard, 0.1 * speech)
    torch.testing.assert_close(quieter, loss(heard, speech))
    wanted = speech.clone()
    wanted[:, 9000:] = 0
    for start in (noisy(wanted, 0.01), 0 * wanted, wanted):
        start = start.clone().requires_grad_()
        for target in (wanted, 0 * wanted):
            (gradient,) = torch.autograd.grad(loss(start, target), start)
            assert gradient.isfinite().all()
