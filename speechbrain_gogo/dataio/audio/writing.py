"""Audio files that are written piece by piece."""

import contextlib
from pathlib import Path

import soundfile

from speechbrain_gogo.dataio.replacing import replaced_when_complete

FORMATS = (".wav", ".flac", ".ogg", ".mp3")  # by their suffix
# libsndfile crashes if it gets millions of samples at once for an .ogg.
MOST_AT_ONCE = 2**18


def audio_path(path):
    """A path, whose suffix has to be one of FORMATS, else a ValueError."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path}: audio is not written as '{path.suffix}'; use one of "
            f"{', '.join(FORMATS)}."
        )
    return path


@contextlib.contextmanager
def written_audio(path, sample_rate, comment=""):
    """A function that appends audio to a file, in the format of its suffix.

    The function takes float [T] on any device, clips it to [-1, 1], and returns
    the seconds written so far. Folders are made; an existing file is replaced
    when the audio is complete. ``comment`` is stored in the file's metadata. A
    suffix that is none of FORMATS raises a ValueError.

    Example
    -------
    >>> import torch
    >>> path = getfixture("tmp_path") / "tone.flac"
    >>> with written_audio(path, 16000) as write:
    ...     write(torch.zeros(8000)), write(torch.zeros(8000))
    (0.5, 1.0)
    """
    samples = 0

    def write(wav):
        nonlocal samples
        for part in wav.split(MOST_AT_ONCE):
            sound.write(part.float().clamp(-1, 1).cpu().numpy())
        samples += len(wav)
        return samples / sample_rate

    with (
        replaced_when_complete(audio_path(path)) as partial,
        soundfile.SoundFile(str(partial), "w", sample_rate, 1) as sound,
    ):
        if comment:  # before any audio: formats have it in their headers
            sound.comment = comment
        yield write
