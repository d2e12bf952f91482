"""Audio files, read so that a bad one is named and never half used.

One place decides what counts as readable audio: a header that can be true,
samples that are finite, a known rate; whatever the rate and the channels, mono
samples at the wanted rate come out.
"""

import functools
import io
import logging
import math
import os
import re
from numbers import Integral
from pathlib import Path

import soundfile
import torch
import torchaudio

logger = logging.getLogger(__name__)

# A header may claim any length. No codec of speech packs more samples than
# this into a byte of file, so a longer claim is a broken or hostile header.
MAX_SAMPLES_PER_BYTE = 512

# How libsndfile says of WAV, AIFF, AU, W64 and RF64 that samples are missing.
TOO_SHORT = re.compile(
    r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)",
    re.MULTILINE,
)
OGG_PAGE = 65307  # bytes, at most

# Taps of a resampling filter over all its phases. The oddest rate in use,
# 44056 Hz, needs 2**24 to become 24 kHz.
MAX_FILTER = 2**25

# An mp3 is longer than its clip by the codec's delay and padding, under 0.1 s.
TOLERANCE = 0.25  # seconds

# Samples beyond this are no waveform in [-1, 1], however hot it was recorded.
LOUDEST = 4.0


class AudioError(ValueError):
    """An audio file cannot be used; ``reason`` is what it is counted by."""

    def __init__(self, reason, detail):
        super().__init__(f"{detail} ({reason})")
        self.reason = reason
        self.detail = detail

    def __reduce__(self):  # worker processes send it home
        return type(self), (self.reason, self.detail)


def open_audio(path):
    """Open an audio file and check what its header claims.

    Arguments
    ---------
    path : str | Path
        Any format of libsndfile.

    Returns
    -------
    soundfile.SoundFile

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, or claims more samples
        than it can hold.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError("missing file", f"No audio file at {path}.")
    try:
        sound = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            "unreadable audio", f"{path} is no audio file: {error}"
        ) from None
    cut = TOO_SHORT.search(sound.extra_info)
    if cut and int(cut[1]) > int(cut[2]):  # libsndfile mends it
        sound.close()
        raise AudioError(
            "truncated audio",
            f"{path} claims {cut[1]} bytes of samples and holds {cut[2]}.",
        )
    if sound.format == "OGG" and not _ogg_ends(path):
        sound.close()
        raise AudioError("truncated audio", f"{path} has no last page.")
    if sound.frames == 0:
        sound.close()
        raise AudioError("empty audio", f"{path} holds no samples.")
    if sound.frames > MAX_SAMPLES_PER_BYTE * path.stat().st_size:
        frames = sound.frames
        sound.close()
        raise AudioError(
            "impossible header",
            f"{path} claims {frames} samples in {path.stat().st_size} bytes.",
        )
    return sound


def _ogg_ends(path):
    """Whether an Ogg file's last page is whole, and says that it is the last.

    A header of 27 bytes, of which one is flags and the last one the number of
    segments; the lengths of these; these.
    """
    with open(path, "rb") as file:
        file.seek(-min(2 * OGG_PAGE, path.stat().st_size), os.SEEK_END)
        end = file.read()
    page = end[max(0, end.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    segments = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and 27 + page[26] + sum(segments) <= len(page)


def change_rate(wavs, rate, wanted):
    """Resample [..., T], in full precision whatever the caller's autocast.

    Arguments
    ---------
    wavs : torch.Tensor
        Samples at ``rate``.
    rate, wanted : int
        In Hz.

    Returns
    -------
    torch.Tensor
        Samples at ``wanted``.

    Example
    -------
    >>> change_rate(torch.zeros(2, 160), 16000, 24000).shape
    torch.Size([2, 240])
    """
    with torch.autocast(wavs.device.type, enabled=False):
        return torchaudio.functional.resample(wavs, rate, wanted)


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


def read_audio(path, sample_rate):
    """Read a whole file as mono samples at a rate.

    Arguments
    ---------
    path : str | Path
        Any format of libsndfile.
    sample_rate : int
        Wanted rate, in Hz; other rates are resampled.

    Returns
    -------
    torch.Tensor
        float32 [T].

    Raises
    ------
    AudioError
        If the file cannot be used, with the reason.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmpdir") / "tone.wav"
    >>> soundfile.write(str(path), [[0.5, -0.5]] * 8000, 16000)
    >>> read_audio(path, 24000).shape
    torch.Size([12000])
    """
    with open_audio(path) as sound:
        claimed, rate = sound.frames, sound.samplerate
        try:
            samples = sound.read(dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(
                "truncated audio", f"{path} breaks off: {error}"
            ) from None
    if len(samples) < claimed:
        raise AudioError(
            "truncated audio",
            f"{path} claims {claimed} samples and holds {len(samples)}.",
        )
    wav = to_mono(torch.from_numpy(samples))
    check_finite(wav, str(path))
    if rate != sample_rate:
        check_rate(rate, sample_rate, str(path))
        wav = change_rate(wav, rate, sample_rate)
    return wav


def decode_audio(data, duration, sample_rate, name="the clip"):
    """Decode one clip that should last ``duration`` seconds.

    Arguments
    ---------
    data : bytes
        An audio file, of any rate and number of channels.
    duration : float
        Seconds that it is said to last. A file whose header claims more is
        refused before anything is allocated.
    sample_rate : int
        Of the result, in Hz.
    name : str
        What errors call it.

    Returns
    -------
    torch.Tensor
        Mono samples, float32 [T].

    Raises
    ------
    AudioError
        If the audio cannot be read, does not last that long, holds NaN or
        Inf, is not in [-1, 1], or has no usual rate.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate = file.samplerate
            if file.frames > (duration + TOLERANCE) * rate:
                raise AudioError(
                    "impossible header",
                    f"{name} claims {file.frames} samples in {duration} s.",
                )
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError("unreadable audio", f"{name}: {error}") from error
    if len(samples) < (duration - TOLERANCE) * rate:
        raise AudioError(
            "truncated audio", f"{name} ends after {len(samples) / rate} s."
        )
    sig = to_mono(torch.from_numpy(samples))
    check_finite(sig, name)
    check_range(sig, name)
    check_rate(rate, sample_rate, name)
    return change_rate(sig, rate, sample_rate)
