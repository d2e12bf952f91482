"""Noises that are added to clips: generated, from other clips, or from a folder.

Each is a callable of the length in samples, the sample rate in Hz, a random
generator, and the ID of the clip to which the noise is added.
"""

import zlib
from pathlib import Path

import torch

from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.inference.files.audio import READABLE_AUDIO, find_files


def choose(number, sequence, draw):
    """A number of random elements of a sequence, all if there are fewer."""
    order = torch.randperm(len(sequence), generator=draw)[:number]
    return [sequence[place] for place in order.tolist()]


def loop(wav, length, draw):
    """A segment of a signal [T] from a random position, repeated if necessary.

    It is silent only if the whole signal is: no gain makes silence audible.
    """
    repeats = -(-length // len(wav)) + 1
    while True:
        start = int(torch.randint(len(wav), (1,), generator=draw))
        segment = wav.repeat(repeats)[start : start + length]
        if segment.any() or not wav.any():
            return segment


class White:
    """Noise with the same power at all frequencies.

    Example
    -------
    >>> draw = torch.Generator().manual_seed(0)
    >>> White()(24000, 24000, draw, "clip").shape
    torch.Size([24000])
    """

    def __call__(self, length, sample_rate, draw, key):
        """Noise, [T]."""
        return torch.randn(length, generator=draw)


class Pink:
    """Noise with the same power in all octaves above 20 Hz."""

    def __call__(self, length, sample_rate, draw, key):
        """Noise, [T]."""
        spectrum = torch.fft.rfft(torch.randn(length, generator=draw))
        frequency = torch.fft.rfftfreq(length, 1 / sample_rate)
        audible = frequency >= 20
        gain = torch.where(audible, frequency.clamp(min=20).rsqrt(), 0.0)
        return torch.fft.irfft(spectrum * gain, length)


class Babble:
    """The sum of several other clips of the manifest, with equal powers.

    Clips of the same speaker are used only if there are no others.
    """

    def __init__(self, voices=6):
        self.voices, self.rows = voices, {}

    def set_clips(self, rows):
        """Set the rows of the manifest, ID -> row, from which clips are drawn."""
        self.rows = rows

    @property
    def identity(self):
        """What changes the noise, besides the clips."""
        return {"voices": self.voices}

    def __call__(self, length, sample_rate, draw, key):
        """Noise, [T]."""
        others = sorted(set(self.rows) - {key})
        speaker = self.rows[key].get("spk_id") if key in self.rows else None
        strangers = [k for k in others if self.rows[k].get("spk_id") != speaker]
        chosen = choose(self.voices, strangers or others, draw)
        if not chosen:
            raise ValueError(
                "Babble is made of other clips of the manifest, and there is "
                "none: add some, or leave it out "
                '(--disturbances "{babble: null}").'
            )
        noise = torch.zeros(length)
        for other in chosen:
            row = self.rows[other]
            wav = read_clip(row["wav"], sample_rate, row["samples"])
            wav = loop(wav, length, draw)
            noise += wav / wav.square().mean().sqrt().clamp(min=1e-6)
        if not noise.any():
            raise ValueError(
                f"Babble of silent clips is no noise: {', '.join(chosen)}."
            )
        return noise


class Recorded:
    """Noise from the audio files of a folder, at any depth.

    A folder without audio files, or a silent file, is an error.
    """

    def __init__(self, folder):
        self.files = find_files(Path(folder), READABLE_AUDIO)

    @property
    def identity(self):
        """A checksum of names and sizes of the files."""
        sizes = sorted(
            f"{path.name} {path.stat().st_size}" for path in self.files
        )
        return {"files": f"{zlib.crc32(repr(sizes).encode()):08x}"}

    def __call__(self, length, sample_rate, draw, key):
        """Noise, [T]."""
        (path,) = choose(1, self.files, draw)
        wav = read_audio(path, sample_rate)
        if not wav.any():
            raise ValueError(f"{path} is silent, so it is no noise: remove it.")
        return loop(wav, length, draw)


def room_response(seconds, sample_rate, draw, direct_db=0.0):
    """Impulse response [T] of a simulated room, whose energy is 1.

    Direct sound at the first sample, then exponentially decaying noise: a diffuse
    field without early reflections, which decays by 60 dB in ``seconds``.
    ``direct_db`` is the energy of the direct sound over that of the reverberation.

    Example
    -------
    >>> draw = torch.Generator().manual_seed(0)
    >>> response = room_response(0.5, 8000, draw)
    >>> energy = response.square()
    >>> round(float(energy.sum()), 3), round(float(energy[0]), 3)
    (1.0, 0.5)
    """
    samples = round(seconds * sample_rate)
    if samples < 2:
        raise ValueError(
            f"A room with a reverberation of {seconds:g} s has no response at "
            f"{sample_rate} Hz: give a longer one."
        )
    time = torch.arange(samples) / sample_rate
    decay = 10 ** (-3 * time / seconds)
    tail = torch.randn(len(time), generator=draw) * decay
    tail[0] = 0
    tail /= tail.norm()
    tail[0] = 10 ** (direct_db / 20)
    return tail / tail.norm()
