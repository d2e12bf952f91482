"""Waveforms that users pass to a codec: checked, mono, at its rate."""

import numpy as np
import torch

from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.dataio.audio.waveform import (
    check_finite,
    check_range,
    check_rate,
    to_mono,
)


def check_wavs(wavs, device):
    """Waveforms as the networks want them.

    Arguments
    ---------
    wavs : torch.Tensor | numpy.ndarray
        Float [B, T], or [B, T, C], which is downmixed.
    device : torch.device | str
        Where they are wanted.

    Returns
    -------
    torch.Tensor
        float32 [B, T].

    Raises
    ------
    ValueError
        If they are empty, of another shape, not float, not finite, or far
        outside [-1, 1].
    """
    if isinstance(wavs, np.ndarray):
        wavs = torch.from_numpy(wavs)
    if not torch.is_tensor(wavs) or not wavs.is_floating_point():
        raise ValueError(
            "Audio must be a float tensor in [-1, 1]; got "
            f"{getattr(wavs, 'dtype', type(wavs).__name__)}. Divide 16-bit "
            "samples by 32768."
        )
    shape = tuple(wavs.shape)
    if wavs.dim() not in (2, 3) or 0 in shape:
        raise ValueError(
            f"Audio must be [batch, samples] and not empty; got shape {shape}."
        )
    if wavs.dim() == 3:
        if shape[2] > shape[1]:
            raise ValueError(
                "Audio of several channels must be [batch, samples, "
                f"channels]; got shape {shape}: transpose it."
            )
        wavs = to_mono(wavs)
    check_finite(wavs, "Audio")
    check_range(wavs, "Audio")
    return wavs.to(device, torch.float32)


def resample(wavs, wav_lens, rate, wanted):
    """Waveforms at another rate, each as if it were alone.

    Arguments
    ---------
    wavs : torch.Tensor
        [B, T] at ``rate``.
    wav_lens : torch.Tensor
        Relative lengths [B], or None.
    rate, wanted : int
        In Hz.

    Returns
    -------
    tuple of torch.Tensor
        [B, T] at ``wanted``, and relative lengths [B] or None.

    Raises
    ------
    ValueError
        If ``rate`` is no usual rate of audio.
    """
    check_rate(rate, wanted, "Audio")
    rate, samples = int(rate), wavs.shape[1]
    if wav_lens is None:
        return change_rate(wavs, rate, wanted), None
    count = (wav_lens.double() * samples).round()
    place = torch.arange(samples, device=wavs.device)
    # What lies beyond an utterance's end must not leak through the filter.
    wavs = torch.where(place < count.unsqueeze(1), wavs, 0.0)
    wavs = change_rate(wavs, rate, wanted)
    count = torch.ceil(count * wanted / rate)
    return wavs, count / wavs.shape[1]
