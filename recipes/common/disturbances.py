"""Disturbances of clean speech: noise, rooms, codecs, gain, resampling, shifts.

A disturbance has a setting for each of its versions. Clips keep their length
and, except with shifts, their position in time. Random numbers depend on a seed
and the clip's ID, and are the same for all settings.
"""

import hashlib
import io
import json

import soundfile
import torch
from torchaudio import functional as audio

from recipes.common.noises import room_response


def generator(seed, *parts):
    """Random generator that depends on a seed and on names of its use.

    Example
    -------
    >>> one, other = (generator(0, "clip", name) for name in ("a", "b"))
    >>> int(torch.randint(99, (1,), generator=one)) != int(
    ...     torch.randint(99, (1,), generator=other)
    ... )
    True
    """
    text = "\n".join(map(str, (seed, *parts)))
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def fit(wav, length):
    """Cut a signal [T], or append zeros, to a number of samples."""
    return torch.nn.functional.pad(wav, (0, length - len(wav)))


def align(wav, original, most):
    """Remove the delay of a signal [T'], found by cross-correlation with [T].

    Delays up to ``most`` samples are considered.

    Example
    -------
    >>> original = torch.randn(2000)
    >>> delayed = torch.cat([torch.zeros(70), original])
    >>> bool((align(delayed, original, 100) == original).all())
    True
    """
    size = 2 * max(len(wav), len(original))
    spectrum = torch.fft.rfft(wav, size) * torch.fft.rfft(original, size).conj()
    correlation = torch.fft.irfft(spectrum, size)
    most = min(most, size // 2)
    lags = torch.arange(-most, most + 1)
    delay = int(lags[correlation[lags].argmax()])
    if delay < 0:
        wav = torch.nn.functional.pad(wav, (-delay, 0))
    return fit(wav[max(delay, 0) :], len(original))


class Disturbance:
    """Base class; a subclass sets ``unit`` and implements :meth:`change`.

    ``settings`` has one for each version.
    """

    unit = ""

    def __init__(self, settings):
        self.settings = list(settings)

    def versions(self, name):
        """Label -> setting."""
        return {f"{name} {s:g}{self.unit}": s for s in self.settings}

    @property
    def identity(self):
        """What else changes the versions, besides their settings."""
        return {k: v for k, v in vars(self).items() if k != "settings"}

    def change(self, wav, sample_rate, setting, draw, key):
        """A changed copy of a clip [T], by one of the settings.

        ``draw`` is a generator of random numbers, ``key`` the clip's ID.
        """
        raise NotImplementedError


class Noise(Disturbance):
    """Adds a noise at signal-to-noise ratios in dB, over the whole clip."""

    unit = " dB"

    def __init__(self, noise, settings):
        super().__init__(settings)
        self.noise = noise

    @property
    def identity(self):
        """See :attr:`Disturbance.identity`."""
        own = getattr(self.noise, "identity", {})
        return {"noise": type(self.noise).__name__, **own}

    def change(self, wav, sample_rate, setting, draw, key):
        """See :meth:`Disturbance.change`."""
        noise = self.noise(len(wav), sample_rate, draw, key)
        ratio = torch.tensor([float(setting)])
        return audio.add_noise(wav[None], noise[None], ratio)[0]


class Room(Disturbance):
    """Simulated rooms, by their reverberation time in seconds."""

    unit = " s"

    def __init__(self, settings, direct_db=0.0):
        super().__init__(settings)
        self.direct_db = direct_db

    def change(self, wav, sample_rate, setting, draw, key):
        """See :meth:`Disturbance.change`."""
        response = room_response(setting, sample_rate, draw, self.direct_db)
        heard = audio.fftconvolve(wav, response)[: len(wav)]
        return heard * (wav.norm() / heard.norm().clamp(min=1e-9))


class Compressed(Disturbance):
    """A codec of libsndfile, by its bit rate in kbit/s; its delay is removed.

    ``options`` has the format, MP3 or OGG (Opus), and other arguments of
    soundfile. A bit rate that the format does not have is an error.
    """

    unit = " kbit/s"

    def __init__(self, settings, options):
        super().__init__(settings)
        self.options = options

    def change(self, wav, sample_rate, setting, draw, key):
        """See :meth:`Disturbance.change`."""
        kind = self.options["format"]
        low, high = bit_rates(kind, sample_rate)
        if not low <= setting <= high:
            raise ValueError(
                f"{kind} of {sample_rate} Hz has {low} to {high} kbit/s, not "
                f"{setting:g}: change the settings of this disturbance."
            )
        # Level 1 is an error of libsndfile at some sample rates.
        level = min((high - setting) / (high - low), 0.999)
        options = {**self.options, "compression_level": level}
        return align(
            through_file(wav, sample_rate, **options), wav, sample_rate // 10
        )


def bit_rates(kind, sample_rate):
    """kbit/s of libsndfile's compression levels 1 and 0, for MP3 or Opus."""
    if kind != "MP3":
        return 6, 256
    if sample_rate >= 32000:  # MPEG-1, 2 and 2.5
        return 32, 320
    return (8, 160) if sample_rate >= 16000 else (8, 64)


class Telephone(Disturbance):
    """300 to 3400 Hz at 8 kHz, coded as "mu-law" (G.711) or "gsm" (06.10)."""

    SUBTYPES = {"mu-law": "ULAW", "gsm": "GSM610"}

    def versions(self, name):
        """Label -> setting."""
        return {f"{name} {setting}": setting for setting in self.settings}

    def change(self, wav, sample_rate, setting, draw, key):
        """See :meth:`Disturbance.change`."""
        narrow = audio.resample(wav, sample_rate, 8000)
        narrow = audio.highpass_biquad(narrow, 8000, 300)
        narrow = audio.lowpass_biquad(narrow, 8000, 3400)
        subtype = self.SUBTYPES[setting]
        narrow = through_file(narrow, 8000, format="WAV", subtype=subtype)
        return align(
            audio.resample(narrow, 8000, sample_rate), wav, sample_rate // 10
        )


class Gain(Disturbance):
    """A change of the level in dB; peaks are clipped as in a file."""

    unit = " dB"

    def change(self, wav, sample_rate, setting, draw, key):
        """See :meth:`Disturbance.change`."""
        return (wav * 10 ** (setting / 20)).clamp(-1, 1)


class Resampled(Disturbance):
    """Resamples to another rate in Hz and back."""

    unit = " Hz"

    def change(self, wav, sample_rate, setting, draw, key):
        """See :meth:`Disturbance.change`."""
        other = audio.resample(wav, sample_rate, setting)
        return fit(audio.resample(other, setting, sample_rate), len(wav))


class Shift(Disturbance):
    """The clip starts later, by milliseconds."""

    unit = " ms"

    def change(self, wav, sample_rate, setting, draw, key):
        """See :meth:`Disturbance.change`."""
        return fit(wav[round(setting * sample_rate / 1000) :], len(wav))


def through_file(wav, sample_rate, **options):
    """Write a signal [T] as a file with soundfile's ``options``, and read it.

    Example
    -------
    >>> wav = 0.1 * torch.randn(8000)
    >>> back = through_file(wav, 8000, format="WAV", subtype="PCM_16")
    >>> bool((back - wav).abs().max() < 1e-4)
    True
    """
    file = io.BytesIO()
    samples = wav.clamp(-1, 1).numpy()
    soundfile.write(file, samples, sample_rate, **options)
    file.seek(0)
    return torch.from_numpy(soundfile.read(file, dtype="float32")[0])


def list_versions(disturbances, rows):
    """All versions, in order: label -> (name, disturbance, setting).

    Disturbances are given by name; None leaves one out. Two of one label are an
    error. Babble is made of the clips of ``rows``, ID -> row of the manifest.
    """
    found = {}
    for name, disturbance in disturbances.items():
        if disturbance is None:
            continue
        noise = getattr(disturbance, "noise", None)
        if hasattr(noise, "set_clips"):
            noise.set_clips(rows)
        for label, setting in disturbance.versions(name).items():
            if label in found:
                raise ValueError(f"Two disturbances are called '{label}'.")
            found[label] = name, disturbance, setting
    return found


def identities(versions):
    """What changes versions of :func:`list_versions` besides their settings.

    Label -> values for JSON, for a file of results that another run continues.
    """
    found = {
        label: getattr(disturbance, "identity", {})
        for label, (_, disturbance, _) in versions.items()
    }
    return json.loads(json.dumps(found, default=repr))
