"""A padded batch of waveforms as clips of whole token groups."""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import count_steps


def split_clips(wavs, wav_lens, group_samples):
    """Waveforms [T_b] of whole groups, zeros at their ends.

    ``wavs`` is [B, T], ``wav_lens`` relative lengths [B], or None.

    Example
    -------
    >>> clips = split_clips(torch.ones(2, 10), torch.tensor([1.0, 0.5]), 4)
    >>> [len(clip) for clip in clips]
    [12, 8]
    """
    batch, samples = wavs.shape
    if wav_lens is None:
        wav_lens = torch.ones(batch)
    counts = count_steps(wav_lens, samples).tolist()
    clips = [wav[:count] for wav, count in zip(wavs, counts)]
    return [F.pad(c, (0, -len(c) % group_samples)) for c in clips]


def relative_lengths(clips):
    """Lengths of clips [T_b], relative to the longest: [B]."""
    sizes = [len(clip) for clip in clips]
    return torch.tensor(sizes, device=clips[0].device) / max(sizes)
