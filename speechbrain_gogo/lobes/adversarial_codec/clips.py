"""A padded batch of waveforms as clips of whole token groups."""

import torch
from torch.nn import functional as F


def split_clips(wavs, wav_lens, group_samples):
    """Waveforms of whole groups, zeros at their ends.

    Arguments
    ---------
    wavs : torch.Tensor
        [B, T].
    wav_lens : torch.Tensor
        Relative lengths [B], or None.
    group_samples : int
        Samples of a group.

    Returns
    -------
    list of torch.Tensor
        [T_b] each.

    Example
    -------
    >>> clips = split_clips(torch.ones(2, 10), torch.tensor([1.0, 0.5]), 4)
    >>> [len(clip) for clip in clips]
    [12, 8]
    """
    batch, samples = wavs.shape
    if wav_lens is None:
        wav_lens = torch.ones(batch)
    counts = (wav_lens.double() * samples).round().long().tolist()
    clips = [wav[:count] for wav, count in zip(wavs, counts)]
    return [F.pad(c, (0, -len(c) % group_samples)) for c in clips]


def relative_lengths(clips):
    """Lengths of clips, relative to the longest.

    Arguments
    ---------
    clips : list of torch.Tensor
        [T_b] each.

    Returns
    -------
    torch.Tensor
        [B].
    """
    sizes = [len(clip) for clip in clips]
    return torch.tensor(sizes, device=clips[0].device) / max(sizes)
