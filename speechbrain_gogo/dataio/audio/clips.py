"""The audio of a manifest's row: read, decoded only once, and checked.

What is wrong with it is an AudioError, so that whoever goes through a manifest
can count it by reason.
"""

import os
from pathlib import Path

import numpy as np
import torch

from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.dataio.audio.samples import AudioError, check_range


def read_clip(path, sample_rate):
    """A row's samples from its file.

    Arguments
    ---------
    path : str | Path
        Any format of libsndfile.
    sample_rate : int
        Wanted rate, in Hz.

    Returns
    -------
    torch.Tensor
        float32 [T].

    Raises
    ------
    AudioError
        If the file cannot be used, with the reason.
    """
    wav = read_audio(path, sample_rate)
    check_range(wav, str(path))
    return wav


def load_clip(key, path, sample_rate, cache_folder=None):
    """A row's samples, from the cache where there is one.

    Arguments
    ---------
    key : str
        The row's id.
    path : str | Path
        Its audio, in any format of libsndfile.
    sample_rate : int
        Wanted rate, in Hz.
    cache_folder : str | Path
        Has, or gets, the samples as a 16-bit array.

    Returns
    -------
    torch.Tensor
        float32 [T].

    Raises
    ------
    AudioError
        If the file cannot be used, with the reason.
    """
    if cache_folder is None:
        return read_clip(path, sample_rate)
    name = key.replace("%", "%25").replace(os.sep, "%2F")  # one per id
    cached = Path(cache_folder) / f"{name}.{sample_rate}.npy"
    if cached.is_file():
        return torch.from_numpy(np.load(cached)).float() / 32767
    wav = read_clip(path, sample_rate).clamp(-1, 1)
    samples = (wav * 32767).round().to(torch.int16)
    # A killed run leaves no half-written array, and processes that cache the
    # same clip at once do not disturb each other.
    partial = cached.with_suffix(f".{os.getpid()}.partial.npy")
    np.save(partial, samples.numpy())
    partial.rename(cached)
    return samples.float() / 32767


def check_duration(found, said, path):
    """Refuse audio that was cut, or would burst its batch.

    Arguments
    ---------
    found, said : float
        Seconds of the audio, and of its row.
    path : str
        What the error calls it.

    Raises
    ------
    AudioError
        If they differ by more than a tenth.
    """
    if abs(found - said) > 0.1 * said:
        raise AudioError(
            "not as long as its row says",
            f"{path} lasts {found:.2f} s; its row says {said:.2f} s.",
        )
