"""Audio files, read so that a bad one is named and never half used.

One place decides what counts as readable audio: a header that can be true,
samples that are finite, a known rate; whatever the rate and the channels, mono
samples at the wanted rate come out.
"""

import io
import os
import re
from pathlib import Path

import soundfile
import torch

from speechbrain_gogo.dataio.audio.waveform import (
    AudioError,
    change_rate,
    check_finite,
    check_range,
    check_rate,
    to_mono,
)

# A header may claim any length. No codec of speech packs more samples than
# this into a byte of file, so a longer claim is a broken or hostile header.
MAX_SAMPLES_PER_BYTE = 512

# How libsndfile says of WAV, AIFF, AU, W64 and RF64 that samples are missing.
TOO_SHORT = re.compile(
    r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)",
    re.MULTILINE,
)
OGG_PAGE = 65307  # bytes, at most

# An mp3 is longer than its clip by the codec's delay and padding, under 0.1 s.
TOLERANCE = 0.25  # seconds


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
            # With a number, since formats such as GSM 6.10 cannot be sought in.
            samples = sound.read(claimed, dtype="float32", always_2d=True)
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
            samples = file.read(file.frames, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError("unreadable audio", f"{name}: {error}") from error
    if not len(samples):
        raise AudioError("empty audio", f"{name} holds no samples.")
    if len(samples) < (duration - TOLERANCE) * rate:
        raise AudioError(
            "truncated audio", f"{name} ends after {len(samples) / rate} s."
        )
    sig = to_mono(torch.from_numpy(samples))
    check_finite(sig, name)
    check_range(sig, name)
    check_rate(rate, sample_rate, name)
    return change_rate(sig, rate, sample_rate)
