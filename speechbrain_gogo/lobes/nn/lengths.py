"""Relative lengths [B], as everywhere in SpeechBrain, and their masks."""

import torch
from speechbrain.dataio.dataio import length_to_mask


def length_mask(lens, size):
    """Which positions of a padded batch are real: bool [B, size].

    SpeechBrain's ``length_to_mask`` for relative lengths [B]. Where all are
    real, both lengths and result may be None.

    Example
    -------
    >>> length_mask(torch.tensor([1.0, 0.5]), 4).int().tolist()
    [[1, 1, 1, 1], [1, 1, 0, 0]]
    """
    if lens is None:
        return None
    return length_to_mask((lens * size).round(), size, dtype=torch.bool)


def unless_equal(lens):
    """Relative lengths [B], or None where no utterance is padded.

    Attention without a mask may use faster kernels. The test waits for the
    device, so call it once per batch, not in every layer.
    """
    if lens is None or bool((lens == 1).all()):
        return None
    return lens


def squared_error(predicted, target, lens=None, reduction="mean"):
    """Mean squared error over the real frames of padded batches [B, T, C].

    All frames are real without relative lengths [B]. A scalar over all real
    frames, or with the reduction "batch" one value an utterance, [B].

    Example
    -------
    >>> predicted = torch.tensor([[[1.0], [3.0]], [[2.0], [9.0]]])
    >>> lens = torch.tensor([1.0, 0.5])
    >>> squared_error(predicted, torch.zeros(2, 2, 1), lens)
    tensor(4.6667)
    >>> squared_error(predicted, torch.zeros(2, 2, 1), lens, "batch")
    tensor([5., 4.])
    """
    error = (predicted.float() - target.float()).square().mean(-1)  # [B, T]
    mask = length_mask(lens, target.shape[1])
    if mask is None:
        mask = torch.ones_like(error, dtype=torch.bool)
    error, count = (error * mask).sum(1), mask.sum(1)  # [B]
    if reduction == "batch":
        return error / count
    return error.sum() / count.sum()


def count_steps(lens, size):
    """Number of real positions of each utterance, of ``size``: int64 [B].

    Example
    -------
    >>> count_steps(torch.tensor([1.0, 0.5]), 4).tolist()
    [4, 2]
    """
    return (lens.double() * size).round().long()


def check_positions(needed, available):
    """Raise a ValueError if a clip takes more positions than a model has."""
    if needed > available:
        raise ValueError(
            f"A clip of the batch takes {needed} positions, this model has "
            f"{available}: leave such clips out."
        )
