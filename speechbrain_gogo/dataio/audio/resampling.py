"""Resampling of audio that arrives in pieces of any lengths.

Samples are converted block by block, with the context of the filter. The borders of
blocks depend on the rates only, so the result does not depend on the pieces, to the
last bit.
"""

import math

import torch
import torchaudio

from speechbrain_gogo.default_dtype import float32_by_default

BLOCK_SECONDS = 30


def change_rate(wavs, rate, wanted):
    """Resample [..., T], T > 0, from ``rate`` to ``wanted`` Hz.

    The result has the type of ``wavs``, also within autocast.

    Example
    -------
    >>> change_rate(torch.zeros(2, 160), 16000, 24000).shape
    torch.Size([2, 240])
    """
    found = list(resample_pieces([wavs], rate, wanted))
    return found[0] if len(found) == 1 else torch.cat(found, dim=-1)


def resample_pieces(pieces, rate, wanted):
    """Resample consecutive pieces [..., T], T > 0, as if they were one.

    Rates are in Hz. The pieces that are yielded, concatenated, are the result
    of :func:`change_rate`.

    Example
    -------
    >>> tone = torch.sin(torch.arange(1000) / 9)
    >>> pieces = resample_pieces(tone.split(7), 16000, 24000)
    >>> torch.equal(torch.cat(list(pieces)), change_rate(tone, 16000, 24000))
    True
    """
    if rate == wanted:
        yield from pieces
        return
    rate, wanted = int(rate), int(wanted)
    unit = rate // math.gcd(rate, wanted)  # input samples per filter stride
    block = unit * math.ceil(BLOCK_SECONDS * rate / unit)
    # torchaudio's filter reaches 6 zero crossings of the lower rate.
    reach = 8 * max(1, math.ceil(rate / wanted))
    context = unit * math.ceil(reach / unit)

    def convert(samples, start, stop):
        """Output for samples start..stop; start is a multiple of ``unit``."""
        # torchaudio 2.11.1 computes the length in the default dtype: float32 may
        # omit the last sample, bfloat16 omits many, and float16 overflows.
        samples = torch.nn.functional.pad(samples, (0, unit))
        plain = torch.autocast(samples.device.type, enabled=False)
        with plain, float32_by_default():
            found = torchaudio.functional.resample(samples, rate, wanted)
        return found[..., start * wanted // rate : -(-stop * wanted // rate)]

    waiting, before = [], 0  # pieces not converted; their samples of context
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += piece.shape[-1]
        if length < before + block + context:
            continue
        held = torch.cat(waiting, dim=-1)
        while held.shape[-1] >= before + block + context:
            end = before + block
            yield convert(held[..., : end + context], before, end)
            held = held[..., end - context :]
            before = context
        waiting, length = [held], held.shape[-1]
    if length > before:
        yield convert(torch.cat(waiting, dim=-1), before, length)
