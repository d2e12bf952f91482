"""Checks of numbers, lengths, settings of samplers, and embeddings."""

import math
import numbers
import operator

import torch


def check_whole(value, name):
    """Check an integer and return it as a Python int.

    Raises
    ------
    ValueError
        If it is not an integer.

    Example
    -------
    >>> check_whole(torch.tensor(3), "keep")
    3
    """
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name}={value!r}: give a whole number.") from None


def check_lens(lens, batch, size, name, device):
    """Check relative lengths; no utterance may be empty.

    Arguments
    ---------
    lens : torch.Tensor | sequence of float
        [B].
    batch : int
        Utterances, B.
    size : int
        Samples or groups that correspond to 1.0.
    name : str
        Name of the argument in error messages.
    device : torch.device | str
        Device of the result.

    Returns
    -------
    torch.Tensor
        float64 [B], at most 1: float32 cannot represent every sample of an
        hour.

    Raises
    ------
    ValueError
        If there are not B of them, or one is outside (0, 1] or less than one
        of ``size``.
    """
    lens = torch.as_tensor(lens, device=device).double()
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
    """Check settings of the flow's sampler.

    Arguments
    ---------
    num_steps : int
        Flow steps; None for the model's setting.
    guidance_scale : float
        Scale of classifier-free guidance; None for the model's setting.
    seed : int
        Seed of the initial noise.

    Returns
    -------
    dict
        The first two, by name.

    Raises
    ------
    ValueError
        If there is no step, or a setting is not a number.
    """
    check_whole(seed, "seed")
    if num_steps is not None and check_whole(num_steps, "num_steps") < 1:
        raise ValueError(f"num_steps={num_steps}: take at least one.")
    if guidance_scale is not None and not (
        isinstance(guidance_scale, numbers.Real)
        and math.isfinite(guidance_scale)
    ):
        raise ValueError(f"guidance_scale={guidance_scale!r} is no number.")
    return {"num_steps": num_steps, "guidance_scale": guidance_scale}


def check_lengths(num_samples, longest):
    """Check lengths in samples.

    Arguments
    ---------
    num_samples : int | sequence of int
        Requested length, for all or for each; None for the full length.
    longest : list of int
        Available length of each.

    Returns
    -------
    list of int
        The requested length, at most ``longest``.

    Raises
    ------
    ValueError
        If a length is not positive, or the number of lengths differs from that
        of utterances.
    """
    if num_samples is None:
        return longest
    given = torch.as_tensor(num_samples).flatten().tolist()
    if len(given) == 1:
        given = given * len(longest)
    if len(given) != len(longest) or min(given) < 1:
        raise ValueError(
            f"num_samples={num_samples}: give one positive length, or one for "
            f"each of {len(longest)} utterances."
        )
    return [min(pair) for pair in zip(map(int, given), longest)]


def check_embedding(embedding, batch, dim, device):
    """Check embeddings of voices, one for each utterance.

    Arguments
    ---------
    embedding : torch.Tensor
        [B, D], or [D] or [1, D] for all.
    batch, dim : int
        B and D.
    device : torch.device | str
        Device for the result.

    Returns
    -------
    torch.Tensor
        float32 [B, D].

    Raises
    ------
    ValueError
        If they have another shape or are not finite.
    """
    embedding = torch.as_tensor(embedding, device=device).float()
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
