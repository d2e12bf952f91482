"""Metadata of audio files about their origin."""

import soundfile

from speechbrain_gogo import __version__

# The comment of every file of synthesised audio. The type is the one that IPTC
# (NewsCodes, digital source type) gives media that a trained model made.
SYNTHETIC = (
    f"Synthetic speech by speechbrain_gogo {__version__} "
    "(trainedAlgorithmicMedia)"
)
MARKS = "synthetic speech", "trainedalgorithmicmedia"


def says_synthetic(path):
    """Whether an audio file's comment says that it is synthetic.

    A file that cannot be read says nothing.

    Example
    -------
    >>> import torch
    >>> from speechbrain_gogo.dataio.audio.writing import written_audio
    >>> path = getfixture("tmp_path") / "a.flac"
    >>> with written_audio(path, 24000, SYNTHETIC) as write:
    ...     _ = write(torch.zeros(240))
    >>> says_synthetic(path)
    True
    """
    try:
        with soundfile.SoundFile(str(path)) as sound:
            comment = sound.comment.lower()
    except (soundfile.LibsndfileError, OSError):
        return False
    return any(mark in comment for mark in MARKS)
