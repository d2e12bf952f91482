"""Reading audio files, whole or in pieces, and audio in memory.

Files of any rate and number of channels become mono samples at the requested rate.
sound.py checks headers and samples; an error names the file.
"""

import io
import os
from pathlib import Path

from speechbrain_gogo.dataio.audio.resampling import (
    change_rate,
    resample_pieces,
)
from speechbrain_gogo.dataio.audio.sound import Sound
from speechbrain_gogo.dataio.audio.waveform import (
    AudioError,
    check_range,
    check_rate,
)

# An mp3 is longer than its clip by the codec's delay and padding, under 0.1 s.
TOLERANCE = 0.25  # seconds


def open_audio(path):
    """Open an audio file, in any format of libsndfile, and check its header.

    Returns a Sound. Raises an AudioError if the file is missing, unreadable,
    empty, truncated, or claims more samples than it can hold.
    """
    path = Path(path)
    if not os.path.isfile(path):  # False for a name that is too long
        raise AudioError("missing file", f"No audio file at {path}.")
    return Sound(path, str(path))


def read_audio(path, sample_rate):
    """Read a whole file as mono samples at a rate.

    Arguments
    ---------
    path : str | Path
        Any format of libsndfile.
    sample_rate : int
        Sample rate of the result, in Hz; other rates are resampled.

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
        wav, rate = sound.read(), sound.sample_rate
    check_range(wav, str(path))
    if rate != sample_rate:
        check_rate(rate, sample_rate, str(path))
        wav = change_rate(wav, rate, sample_rate)
    return wav


def stream_audio(path, sample_rate, block_seconds=30.0):
    """Read a file of any length in bounded memory.

    Arguments
    ---------
    path, sample_rate
        As in :func:`read_audio`.
    block_seconds : float
        Approximate length of the pieces.

    Yields
    ------
    torch.Tensor
        Mono samples, float32 [T], T varying; concatenated, they are the result
        of :func:`read_audio`.

    Raises
    ------
    AudioError
        If the file cannot be used, with the reason.
    """

    def checked(pieces):
        for wav in pieces:
            check_range(wav, str(path))
            yield wav

    with open_audio(path) as sound:
        check_rate(sound.sample_rate, sample_rate, str(path))
        pieces = checked(sound.pieces(block_seconds))
        yield from resample_pieces(pieces, sound.sample_rate, sample_rate)


def read_audio_bytes(data, sample_rate, longest, name="the audio"):
    """Read an audio file that is in memory, of any length up to a limit.

    Arguments
    ---------
    data : bytes
        An audio file, of any rate and number of channels.
    sample_rate : int
        Sample rate of the result, in Hz.
    longest : float
        Largest duration in seconds; longer files are refused after decoding at
        most this much.
    name : str
        Name of the audio in error messages.

    Returns
    -------
    torch.Tensor
        Mono samples, float32 [T].

    Raises
    ------
    AudioError
        If the audio cannot be read, lasts longer, holds NaN or Inf, is not in
        [-1, 1], or has an unusual rate.
    """
    too_long = AudioError(
        "too long",
        f"{name} is longer than {longest:g} s, the most that is read.",
    )
    with Sound(io.BytesIO(data), name) as sound:
        rate = sound.sample_rate
        check_rate(rate, sample_rate, name)
        wav = sound.read(longest, too_long)
    check_range(wav, name)
    return change_rate(wav, rate, sample_rate)


def decode_audio(data, duration, sample_rate, name="the clip"):
    """Decode one clip that should last ``duration`` seconds.

    The other arguments, the result and errors are those of
    :func:`read_audio_bytes`. An AudioError is also raised for another duration;
    for a header that claims more, before memory is allocated.
    """
    with Sound(io.BytesIO(data), name) as sound:
        rate = sound.sample_rate
        sig = sound.read(longest=duration + TOLERANCE)
    if len(sig) < (duration - TOLERANCE) * rate:
        raise AudioError(
            "truncated audio", f"{name} ends after {len(sig) / rate} s."
        )
    check_range(sig, name)
    check_rate(rate, sample_rate, name)
    return change_rate(sig, rate, sample_rate)
