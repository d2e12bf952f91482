"""The audio of a manifest's row: reading, checking, and a cache.

Audio that cannot be used raises an AudioError, whose reason is counted.
"""

import hashlib
import logging
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from speechbrain_gogo.dataio.audio.files import open_audio, read_audio
from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.dataio.audio.waveform import (
    AudioError,
    check_range,
    check_rate,
)
from speechbrain_gogo.dataio.replacing import replaced_when_complete

logger = logging.getLogger(__name__)

WHOLE = (0, None)


def read_clip(path, sample_rate, samples=WHOLE):
    """Read the samples of a row from its file: float32 [T] at ``sample_rate`` Hz.

    ``samples`` are the first sample of the clip and the one after its last, at
    the rate of the file; None for the end of the file. Raises an AudioError with
    the reason if the file cannot be used.
    """
    if tuple(samples) == WHOLE:
        return read_audio(path, sample_rate)
    with open_audio(path) as sound:
        wav, rate = sound.read_part(*samples), sound.sample_rate
    check_range(wav, str(path))
    check_rate(rate, sample_rate, str(path))
    return change_rate(wav, rate, sample_rate)


def load_clip(path, sample_rate, samples=WHOLE, cache_folder=None):
    """The samples of a row, from the cache unless the file has changed.

    Arguments, result and errors are those of :func:`read_clip`;
    ``cache_folder`` is the folder of the cache, which holds 16-bit arrays.
    """
    if cache_folder is None or not os.path.isfile(path):
        return read_clip(path, sample_rate, samples)
    metadata = os.path.abspath(path), sample_rate, *samples
    name = hashlib.sha256(repr(metadata).encode(errors="surrogateescape"))
    cached = Path(cache_folder) / f"{name.hexdigest()[:32]}.safetensors"
    stat = os.stat(path)
    made_of = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
    found = _read_cached(cached, made_of)
    if found is None:
        wav = read_clip(path, sample_rate, samples).clamp(-1, 1)
        found = (wav * 32767).round().to(torch.int16)
        _write_cached(cached, found, made_of)
    return found.float() / 32767


def _read_cached(path, made_of):
    """Samples of a file from the cache; None if absent or outdated."""
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), "pt") as stored:
            if stored.metadata() != {"made_of": made_of}:
                return None
            return stored.get_tensor("samples")
    except (SafetensorError, OSError):  # damaged: it is written again
        return None


def _write_cached(path, samples, made_of):
    """Write samples to the cache; if that fails, log a warning.

    Processes may write the same clip at the same time.
    """
    stored = save({"samples": samples}, {"made_of": made_of})
    try:
        with replaced_when_complete(path) as partial:
            partial.write_bytes(stored)
    except OSError as error:
        logger.warning("%s could not be written: %s", path, error)


def check_duration(found, said, path):
    """Raise an AudioError if audio differs by a tenth from its row's length.

    Both durations are in seconds. Such audio is truncated, or its batch would
    be larger than planned.
    """
    if abs(found - said) > 0.1 * said:
        raise AudioError(
            "not as long as its row says",
            f"{path} lasts {found:.2f} s; its row says {said:.2f} s.",
        )
