"""Preparation of signals for judges: unpadded, resampled, audible."""

import numpy as np
import torch

from speechbrain_gogo.dataio.audio.resampling import change_rate

FAINTEST = 1e-4  # of full scale: below it, a signal is silence
LEAST_SOUND = 0.4  # seconds that metrics of voices and envelopes need


def cut(wavs, lengths=None):
    """Signals [T] of a batch [B, T] on the CPU, cut to their lengths [B].

    Example
    -------
    >>> [len(wav) for wav in cut(torch.zeros(2, 8), torch.tensor([1, 0.5]))]
    [8, 4]
    """
    if lengths is None:
        return list(wavs.cpu())
    samples = (lengths * wavs.size(1)).round().long().tolist()
    return [wav[:n].cpu() for wav, n in zip(wavs, samples)]


def sound_seconds(wav, sample_rate):
    """Duration of audible sound in a signal [T].

    Frames of 25 ms are audible if they are at most 40 dB below the loudest one,
    as in STOI, and above -80 dB of full scale.

    Example
    -------
    >>> wav = torch.cat([torch.zeros(8000), torch.ones(8000)])
    >>> sound_seconds(wav, 16000), sound_seconds(torch.zeros(8000), 16000)
    (0.5, 0.0)
    """
    wav, size = np.asarray(wav, dtype=np.float64), round(0.025 * sample_rate)
    frames = wav[: len(wav) // size * size].reshape(-1, size)
    level = np.sqrt(np.square(frames).mean(-1))
    loudest = level.max(initial=0.0)
    if loudest < FAINTEST:
        return 0.0
    return 0.025 * int((level >= 0.01 * loudest).sum())


def at_rate(wav, sample_rate, wanted_rate):
    """A signal [T] at a judge's rate in Hz: an array, float32, in [-1, 1].

    Example
    -------
    >>> at_rate(torch.zeros(24000), 24000, 16000).shape
    (16000,)
    """
    wav = torch.as_tensor(wav, dtype=torch.float32, device="cpu").detach()
    if wav.dim() != 1:
        raise ValueError(
            f"A metric takes one mono signal [T], not {list(wav.shape)}."
        )
    if sample_rate != wanted_rate and len(wav):
        wav = change_rate(wav, sample_rate, wanted_rate)
    return np.clip(wav.numpy(), -1.0, 1.0)
