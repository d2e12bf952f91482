"""What users may pass to a codec, and what an error says if they do not.

Each function gives the value as the networks want it or raises a ValueError
that says what was wrong, where, and what to do. Waveforms have a file of
their own, waveforms.py.
"""

import math
import numbers
import operator

import torch

from speechbrain_gogo.lobes.tokens.granular import keep_prefix


def check_whole(value, name):
    """A whole number, as a Python int.

    Raises
    ------
    ValueError
        If it is none.

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
    """Relative lengths, none of them empty.

    Arguments
    ---------
    lens : torch.Tensor | sequence of float
        [B].
    batch : int
        Utterances, B.
    size : int
        Samples or groups that 1.0 stands for.
    name : str
        What errors call them.
    device : torch.device | str
        Where they are wanted.

    Returns
    -------
    torch.Tensor
        float64 [B], at most 1: a float32 does not count the samples of an
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


def check_tokens(tokens, levels, mask_id, device):
    """Token ids as the networks want them.

    Arguments
    ---------
    tokens : torch.Tensor | sequence
        [B, N, K].
    levels : int
        Largest K.
    mask_id : int
        Largest id.
    device : torch.device | str
        Where they are wanted.

    Returns
    -------
    torch.Tensor
        int64 [B, N, K].

    Raises
    ------
    ValueError
        If they are empty or of another shape, or an id is out of range or
        not whole, saying where.
    """
    tokens = torch.as_tensor(tokens)
    found = tokens.shape[-1] if tokens.dim() == 3 else 0
    if not 1 <= found <= levels or 0 in tokens.shape:
        raise ValueError(
            f"Tokens must be [batch, groups, 1 to {levels}]; got shape "
            f"{tuple(tokens.shape)}."
        )
    if not tokens.is_floating_point():  # few operators know every integer
        tokens = tokens.long()
    wrong = (tokens < 0) | (tokens > mask_id) | (tokens % 1 != 0)
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"Token {tokens[tuple(place)].item()} at [utterance, group, level] "
            f"= {place} is none of 0..{mask_id}."
        )
    return tokens.to(device, torch.long)


def check_level(value, levels, name):
    """A number of tokens per group.

    Arguments
    ---------
    value : int
        The number.
    levels : int
        Tokens that a group has.
    name : str
        What the error calls it.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ValueError
        If it is not whole or outside 1..``levels``.
    """
    value = check_whole(value, name)
    if not 1 <= value <= levels:
        raise ValueError(f"{name}={value} is outside 1..{levels}.")
    return value


def mask_dropped(tokens, keep, levels, mask_id):
    """Replace what ``keep`` leaves out by the masking token.

    Arguments
    ---------
    tokens : torch.Tensor
        int64 [B, N, K].
    keep : int | torch.Tensor
        Tokens that count, of every group or of each: [B, N]. None keeps all.
    levels : int
        Largest number.
    mask_id : int
        The masking token.

    Returns
    -------
    torch.Tensor
        int64 [B, N, K].

    Raises
    ------
    ValueError
        If a number is not whole or out of range, saying where, or they are
        of another shape.
    """
    if keep is None:
        return tokens
    keep = torch.as_tensor(keep, device=tokens.device)
    if keep.is_floating_point() and (keep % 1).any():
        raise ValueError(f"keep must be whole numbers; got {keep.tolist()}.")
    if keep.dim() == 0:
        check_level(int(keep), levels, "keep")
    elif keep.shape != tokens.shape[:2]:
        raise ValueError(
            f"keep must be a number or [batch, groups] = "
            f"{list(tokens.shape[:2])}; got {list(keep.shape)}."
        )
    wrong = (keep < 1) | (keep > levels)
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"keep {int(keep[tuple(place)])} at [utterance, group] = {place} "
            f"is outside 1..{levels}."
        )
    return keep_prefix(tokens, keep, mask_id)


def check_sampling(num_steps, guidance_scale, seed=0):
    """Settings of the flow's sampler.

    Arguments
    ---------
    num_steps : int
        Flow steps; None for the model's own number.
    guidance_scale : float
        Of classifier-free guidance; None for the model's own.
    seed : int
        Of the initial noise.

    Returns
    -------
    dict
        The first two, by name.

    Raises
    ------
    ValueError
        If there is no step, or a number is none.
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
    """Samples of each utterance.

    Arguments
    ---------
    num_samples : int | sequence of int
        What is asked for, of all or of each; None is all there is.
    longest : list of int
        What there is of each.

    Returns
    -------
    list of int
        What is asked for, at most ``longest``.

    Raises
    ------
    ValueError
        If a length is not positive, or there are not as many as utterances.
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
