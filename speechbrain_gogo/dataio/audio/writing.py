"""Audio files that are written piece by piece."""

import contextlib
from pathlib import Path

import soundfile

from speechbrain_gogo.dataio.replacing import replaced_when_complete

FORMATS = (".wav", ".flac", ".ogg", ".mp3")  # by their suffix


def audio_path(path):
    """Check that the suffix of a path is an audio format.

    Arguments
    ---------
    path : str | Path
        Such as out.wav.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the suffix is none of FORMATS.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path}: audio is not written as '{path.suffix}'; use one of "
            f"{', '.join(FORMATS)}."
        )
    return path


@contextlib.contextmanager
def written_audio(path, sample_rate, comment=""):
    """A function that appends audio to a file.

    An existing file is replaced when the audio is complete.

    Arguments
    ---------
    path : str | Path
        Audio file to write, in the format of its suffix; folders are made.
    sample_rate : int
        In Hz.
    comment : str
        Comment of the file's metadata.

    Yields
    ------
    callable
        Takes float [T], on any device, and clips it to [-1, 1]. Returns the
        seconds written so far.

    Raises
    ------
    ValueError
        If the suffix is none of FORMATS.

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
        sound.write(wav.float().clamp(-1, 1).cpu().numpy())
        samples += len(wav)
        return samples / sample_rate

    with (
        replaced_when_complete(audio_path(path)) as partial,
        soundfile.SoundFile(str(partial), "w", sample_rate, 1) as sound,
    ):
        if comment:  # before any audio: formats have it in their headers
            sound.comment = comment
        yield write
