"""Audio files of any length, piece by piece.

Resampling a piece needs a little of its surroundings: with them, the pieces
joined are the whole file resampled at once.
"""

import math

import soundfile
import torch

from speechbrain_gogo.dataio.audio.files import open_audio
from speechbrain_gogo.dataio.audio.waveform import (
    AudioError,
    change_rate,
    check_finite,
    check_range,
    check_rate,
    to_mono,
)


def stream_audio(path, sample_rate, block_seconds=30.0):
    """Read a file as consecutive mono pieces at a rate.

    Arguments
    ---------
    path : str | Path
        Any format of libsndfile.
    sample_rate : int
        Wanted rate, in Hz.
    block_seconds : float
        Length of the pieces, about.

    Yields
    ------
    torch.Tensor
        float32 [T], T varying.

    Raises
    ------
    AudioError
        If the file cannot be used, with the reason.
    """
    with open_audio(path) as sound:
        rate, claimed = sound.samplerate, sound.frames
        block = max(1, int(block_seconds * rate))
        pieces = _pieces(sound, path, block, claimed)
        if rate == sample_rate:
            yield from pieces
        else:
            check_rate(rate, sample_rate, str(path))
            yield from _resampled(pieces, rate, sample_rate)


def _pieces(sound, path, block, claimed):
    """Mono pieces as they stand in the file, checked."""
    seen = 0
    while seen < claimed:
        try:
            samples = sound.read(block, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(
                "truncated audio", f"{path} breaks off: {error}"
            ) from None
        if len(samples) == 0:
            raise AudioError(
                "truncated audio",
                f"{path} claims {claimed} samples and holds {seen}.",
            )
        seen += len(samples)
        wav = to_mono(torch.from_numpy(samples))
        check_finite(wav, str(path))
        check_range(wav, str(path))
        yield wav


def _resampled(pieces, rate, wanted):
    """Resample consecutive pieces as if they were one."""
    unit = rate // math.gcd(rate, wanted)  # input samples per filter stride
    # torchaudio's filter reaches 6 zero crossings of the lower rate.
    reach = 8 * max(1, math.ceil(rate / wanted))
    context = unit * math.ceil(reach / unit)
    held, before = torch.zeros(0), 0  # samples in hand; of them context

    def convert(samples, start, stop):
        """Output for held[start:stop]; start lies on the filter's grid."""
        wav = change_rate(samples, rate, wanted)
        first = start * wanted // rate
        return wav[first : math.ceil(stop * wanted / rate)]

    for piece in pieces:
        held = torch.cat([held, piece])
        ready = (len(held) - before - context) // unit * unit
        if ready <= 0:
            continue
        end = before + ready
        yield convert(held[: end + context], before, end)
        past = max(0, end - context)
        held, before = held[past:], end - past
    if len(held) > before:
        yield convert(held, before, len(held))
