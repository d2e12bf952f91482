"""Audio files of any length, piece by piece, in bounded memory."""

from speechbrain_gogo.dataio.audio.files import open_audio
from speechbrain_gogo.dataio.audio.resampling import resample_pieces
from speechbrain_gogo.dataio.audio.waveform import check_range, check_rate


def stream_audio(path, sample_rate, block_seconds=30.0):
    """Read a file as consecutive mono pieces at a rate.

    Arguments
    ---------
    path : str | Path
        Any format of libsndfile.
    sample_rate : int
        Sample rate of the result, in Hz.
    block_seconds : float
        Approximate length of the pieces.

    Yields
    ------
    torch.Tensor
        float32 [T], T varying; concatenated, they are the result of
        :func:`~speechbrain_gogo.dataio.audio.files.read_audio`.

    Raises
    ------
    AudioError
        If the file cannot be used, with the reason.
    """
    with open_audio(path) as sound:
        check_rate(sound.sample_rate, sample_rate, str(path))
        pieces = _in_range(sound.pieces(block_seconds), str(path))
        yield from resample_pieces(pieces, sound.sample_rate, sample_rate)


def _in_range(pieces, name):
    """The same pieces, checked."""
    for wav in pieces:
        check_range(wav, name)
        yield wav
