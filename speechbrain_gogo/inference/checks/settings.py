"""Checks of numbers, lengths, settings of samplers, embeddings and features."""

import math
import numbers
import operator

import torch


def check_whole(value, name):
    """Check an integer and return it as an int; a ValueError if it is none.

    Example
    -------
    >>> check_whole(torch.tensor(3), "keep")
    3
    """
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name}={value!r}: give a whole number.") from None


def is_number(value):
    """Whether a value is a finite number; an integer beyond all floats is none.

    Example
    -------
    >>> is_number(2), is_number(float("nan")), is_number(10**400)
    (True, False, False)
    """
    try:
        return isinstance(value, numbers.Real) and math.isfinite(value)
    except OverflowError:
        return False


def as_numbers(values, name, device=None):
    """A number, a sequence or an array of them as a tensor.

    A ValueError is raised if they are no numbers, or rows of several lengths.

    Example
    -------
    >>> as_numbers([3, 4], "keep")
    tensor([3, 4])
    """
    if torch.is_tensor(values):
        return values.to(device)
    try:
        return torch.as_tensor(values, device=device)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(
            f"{name}={values!r:.60}: give a number, or a tensor of them."
        ) from None


def check_lens(lens, batch, size, name, device):
    """Check relative lengths [B], for which 1.0 is ``size`` samples or groups.

    They are returned as float64, since float32 cannot represent every sample of an
    hour. No utterance may be empty.
    """
    lens = as_numbers(lens, name, device).double()
    if lens.shape != (batch,):
        raise ValueError(
            f"{name} must hold one relative length for each of {batch} "
            f"utterances; got shape {tuple(lens.shape)}."
        )
    if not ((lens > 0) & (lens <= 1 + 1e-5)).all():
        raise ValueError(f"{name} must lie in (0, 1]; got {lens.tolist()}.")
    if ((lens * size).round() < 1).any():
        raise ValueError(
            f"{name} makes an utterance empty, of {size} at most: "
            f"{lens.tolist()}. Leave it out of the batch."
        )
    return lens.clamp(max=1)


def check_sampling(num_steps, guidance_scale, seed=0):
    """Check settings of the flow's sampler, and return the first two by name.

    None is the model's setting.
    """
    check_whole(seed, "seed")
    if num_steps is not None and check_whole(num_steps, "num_steps") < 1:
        raise ValueError(f"num_steps={num_steps}: take at least one.")
    if guidance_scale is not None and not is_number(guidance_scale):
        raise ValueError(f"guidance_scale={guidance_scale!r} is no number.")
    return {"num_steps": num_steps, "guidance_scale": guidance_scale}


def check_lengths(num_samples, longest):
    """Check requested lengths in samples: one for all, one for each, or None.

    Returns the length of each utterance, at most its available one (``longest``).
    """
    if num_samples is None:
        return longest
    given = as_numbers(num_samples, "num_samples").flatten()
    if len(given) == 1:
        given = given.expand(len(longest))
    valid = (given >= 1) & (given % 1 == 0)  # inf % 1 is NaN
    if len(given) != len(longest) or not valid.all():
        raise ValueError(
            f"num_samples={num_samples}: give one positive whole number, or "
            f"one for each of {len(longest)} utterances."
        )
    return [min(pair) for pair in zip(map(int, given.tolist()), longest)]


def check_embedding(embedding, batch, dim, device):
    """Check embeddings of voices: [B, D], or [D] or [1, D] for all.

    Returns float32 [B, D].
    """
    embedding = as_numbers(embedding, "embedding", device).float()
    if embedding.dim() == 1:
        embedding = embedding.unsqueeze(0)
    if embedding.dim() != 2 or embedding.shape[1] != dim:
        raise ValueError(
            f"embedding must be [batch, {dim}]; got shape "
            f"{tuple(embedding.shape)}."
        )
    if len(embedding) not in (1, batch):
        raise ValueError(
            f"{len(embedding)} embeddings for {batch} utterances: give one of "
            "each, or one for all."
        )
    if not embedding.isfinite().all():
        raise ValueError("embedding is not finite.")
    return embedding.expand(batch, -1)


def check_features(features, width, name, device):
    """Check features [B, T, width] of a batch, and return them as float32."""
    features = as_numbers(features, name, device).float()
    shape = tuple(features.shape)
    if len(shape) != 3 or shape[2] != width or 0 in shape:
        raise ValueError(
            f"{name} must be [batch, frames, {width}] and not empty; got "
            f"shape {shape}."
        )
    if not features.isfinite().all():
        raise ValueError(f"{name} is not finite.")
    return features
