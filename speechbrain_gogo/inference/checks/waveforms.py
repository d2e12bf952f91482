"""Checks of waveforms, downmixing and resampling to the codec's rate."""

import numpy as np
import torch
from speechbrain.dataio.batch import PaddedData
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.dataio.audio.waveform import (
    check_finite,
    check_range,
    check_rate,
    to_mono,
)
from speechbrain_gogo.inference.checks.settings import check_lens

# [samples, channels], as files are read, is no batch of short utterances.
MOST_CHANNELS, FEWEST_SAMPLES = 8, 256


def read_wavs(wavs, wav_lens, sample_rate, wanted, device):
    """Read a batch of audio in any form as input of the networks.

    ``wavs`` are as in :func:`check_wavs`; or a list of single utterances of any
    lengths; or SpeechBrain's PaddedData, with its lengths. ``wav_lens`` are
    relative lengths [B] or None; ``sample_rate`` and ``wanted`` the rates of
    ``wavs`` and of the codec in Hz, of which None is ``wanted``. Returns
    float32 [B, T] at ``wanted`` Hz on the device, and relative lengths [B] or
    None.

    Example
    -------
    >>> clips = [np.zeros(24000), torch.zeros(12000)]
    >>> wavs, lens = read_wavs(clips, None, None, 24000, "cpu")
    >>> wavs.shape, lens.tolist()
    (torch.Size([2, 24000]), [1.0, 0.5])
    """
    if isinstance(wavs, PaddedData):
        wavs, lengths = wavs
        wav_lens = lengths if wav_lens is None else wav_lens
    elif isinstance(wavs, (list, tuple)) and wavs and np.ndim(wavs[0]):
        wavs, lengths = _pad([check_wavs(wav, device) for wav in wavs])
        if lengths is not None and wav_lens is not None:
            raise ValueError(
                "A list of waveforms of several lengths needs no wav_lens: "
                "leave them out, or give one padded tensor."
            )
        wav_lens = wav_lens if lengths is None else lengths
    wavs = check_wavs(wavs, device)
    if wav_lens is not None:
        wav_lens = check_lens(wav_lens, *wavs.shape, "wav_lens", device)
    if sample_rate not in (None, wanted):
        return resample(wavs, wav_lens, sample_rate, wanted)
    return wavs, wav_lens


def check_wavs(wavs, device):
    """Check waveforms and return them as float32 [B, T].

    They are floats of any precision in [-1, 1]: [T], [B, T], [B, 1, T], or
    [B, T, C], which is downmixed.
    """
    if not torch.is_tensor(wavs):
        wavs = _from_array(wavs)
    if not wavs.is_floating_point():
        raise _not_float(wavs.dtype)
    shape = tuple(wavs.shape)
    if wavs.dim() not in (1, 2, 3) or 0 in shape:
        raise ValueError(
            "Audio must be [samples], [batch, samples] or [batch, 1, samples] "
            f"and not empty; got shape {shape}."
        )
    wavs = wavs.to(device, torch.float32)
    if wavs.dim() == 1:
        wavs = wavs.unsqueeze(0)
    elif wavs.dim() == 3:
        if shape[1] != 1 and shape[2] > shape[1]:
            raise ValueError(
                "Audio of several channels must be [batch, samples, "
                f"channels]; got shape {shape}: transpose it."
            )
        wavs = wavs[:, 0] if shape[1] == 1 else to_mono(wavs)
    elif shape[1] <= MOST_CHANNELS and shape[0] > FEWEST_SAMPLES:
        raise ValueError(
            f"Audio must be [batch, samples]; shape {shape} looks like "
            "[samples, channels]: put a batch dimension before it."
        )
    check_finite(wavs, "Audio")
    check_range(wavs, "Audio")
    return wavs


def check_wav(wav, device):
    """One waveform float32 [T], from any input of :func:`check_wavs`."""
    wavs = check_wavs(wav, device)
    if len(wavs) != 1:
        raise ValueError(
            f"Give one waveform, [samples]; got shape {tuple(np.shape(wav))}."
        )
    return wavs[0]


def _from_array(wavs):
    """A tensor of an array, or of anything that converts to one."""
    try:
        array = np.asarray(wavs)
    except ValueError:  # rows of several lengths
        raise ValueError(
            "Audio must be an array of numbers; got a "
            f"{type(wavs).__name__} of parts that do not fit together."
        ) from None
    if array.dtype.kind != "f":
        raise _not_float(array.dtype)
    return torch.from_numpy(np.require(array, np.float32, ["C", "W"]))


def _not_float(dtype):
    return ValueError(
        f"Audio must be a float tensor or array in [-1, 1]; got {dtype}. Divide "
        "16-bit samples by 32768."
    )


def _pad(wavs):
    """Rows [1, T] as [B, T], with relative lengths if T varies."""
    for place, wav in enumerate(wavs):
        if len(wav) != 1:
            raise ValueError(
                f"A list holds one waveform per utterance; that at {place} is "
                f"a batch of {len(wav)}."
            )
    counts = [wav.shape[1] for wav in wavs]
    padded = pad_sequence([wav[0] for wav in wavs], batch_first=True)
    if len(set(counts)) == 1:
        return padded, None
    # A float32 does not count the samples of an hour.
    return padded, torch.tensor(counts, dtype=torch.float64) / max(counts)


def resample(wavs, wav_lens, rate, wanted):
    """Resample waveforms [B, T], each independent of the batch.

    Returns them at the rate ``wanted``, with their relative lengths [B] or None.
    """
    check_rate(rate, wanted, "Audio")
    rate, samples = int(rate), wavs.shape[1]
    if wav_lens is None:
        return change_rate(wavs, rate, wanted), None
    count = (wav_lens.double() * samples).round()
    place = torch.arange(samples, device=wavs.device)
    # Samples beyond an utterance's end must not leak through the filter.
    wavs = torch.where(place < count.unsqueeze(1), wavs, 0.0)
    wavs = change_rate(wavs, rate, wanted)
    count = torch.ceil(count * wanted / rate)
    return wavs, count / wavs.shape[1]
