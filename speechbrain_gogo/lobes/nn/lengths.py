"""Relative lengths [B], as everywhere in SpeechBrain, and their masks."""

import torch
from speechbrain.dataio.dataio import length_to_mask


def length_mask(lens, size):
    """Which positions of a padded batch are real, or None where all are.

    SpeechBrain's ``length_to_mask``, for relative lengths.

    Arguments
    ---------
    lens : torch.Tensor
        Relative lengths [B], or None.
    size : int
        Positions of the longest, T: frames, groups or text tokens.

    Returns
    -------
    torch.Tensor
        bool [B, T], or None.

    Example
    -------
    >>> length_mask(torch.tensor([1.0, 0.5]), 4).int().tolist()
    [[1, 1, 1, 1], [1, 1, 0, 0]]
    """
    if lens is None:
        return None
    return length_to_mask((lens * size).round(), size, dtype=torch.bool)


def unless_equal(lens):
    """Relative lengths, or None where no utterance is padded.

    Attention without a mask may use faster kernels. The test waits for the
    device, so call it once per batch, not in every layer.

    Arguments
    ---------
    lens : torch.Tensor
        Relative lengths [B], or None.

    Returns
    -------
    torch.Tensor
        The same lengths, or None.

    Example
    -------
    >>> unless_equal(torch.ones(2)), unless_equal(torch.tensor([1.0, 0.5]))
    (None, tensor([1.0000, 0.5000]))
    """
    if lens is None or bool((lens == 1).all()):
        return None
    return lens


def mean_square(predicted, target, lens):
    """Mean squared error of the real frames of a padded batch.

    Arguments
    ---------
    predicted, target : torch.Tensor
        [B, T, C].
    lens : torch.Tensor
        Relative lengths [B].

    Returns
    -------
    torch.Tensor
        Scalar.

    Example
    -------
    >>> predicted = torch.tensor([[[1.0], [3.0]], [[2.0], [9.0]]])
    >>> mean_square(predicted, torch.zeros(2, 2, 1), torch.tensor([1.0, 0.5]))
    tensor(4.6667)
    """
    real = length_mask(lens, target.shape[1])
    return (predicted[real].float() - target[real].float()).square().mean()


def count_steps(lens, size):
    """Number of real positions of each utterance.

    Arguments
    ---------
    lens : torch.Tensor
        Relative lengths [B].
    size : int
        Positions of the longest.

    Returns
    -------
    torch.Tensor
        int64 [B].

    Example
    -------
    >>> count_steps(torch.tensor([1.0, 0.5]), 4).tolist()
    [4, 2]
    """
    return (lens.double() * size).round().long()
