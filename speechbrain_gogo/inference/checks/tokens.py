"""Checks of token ids and of numbers of tokens per group."""

import torch

from speechbrain_gogo.inference.checks.settings import check_whole
from speechbrain_gogo.lobes.tokens.granular import keep_prefix


def check_tokens(tokens, levels, mask_id, device):
    """Check token ids.

    Arguments
    ---------
    tokens : torch.Tensor | sequence
        [B, N, K].
    levels : int
        Largest K.
    mask_id : int
        Largest id.
    device : torch.device | str
        Device of the result.

    Returns
    -------
    torch.Tensor
        int64 [B, N, K].

    Raises
    ------
    ValueError
        If they are empty or of another shape, or an id is out of range or
        not whole; the error names the position.
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
    """Check a number of tokens per group.

    Arguments
    ---------
    value : int
        The number.
    levels : int
        Tokens that a group has.
    name : str
        Name of the argument in error messages.

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
    """Replace tokens that ``keep`` drops by the masking token.

    Arguments
    ---------
    tokens : torch.Tensor
        int64 [B, N, K].
    keep : int | torch.Tensor
        Levels to keep of every group, or [B, N] of each. None keeps all.
    levels : Levels
        Levels of the columns.
    mask_id : int
        The masking token.

    Returns
    -------
    torch.Tensor
        int64 [B, N, K].

    Raises
    ------
    ValueError
        If a number is not whole or out of range (the error names the
        position), or their shape is wrong.
    """
    if keep is None:
        return tokens
    keep = torch.as_tensor(keep, device=tokens.device)
    if keep.is_floating_point() and (keep % 1).any():
        raise ValueError(f"keep must be whole numbers; got {keep.tolist()}.")
    if keep.dim() == 0:
        check_level(int(keep), len(levels), "keep")
    elif keep.shape != tokens.shape[:2]:
        raise ValueError(
            f"keep must be a number or [batch, groups] = "
            f"{list(tokens.shape[:2])}; got {list(keep.shape)}."
        )
    wrong = (keep < 1) | (keep > len(levels))
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"keep {int(keep[tuple(place)])} at [utterance, group] = {place} "
            f"is outside 1..{len(levels)}."
        )
    return keep_prefix(tokens, levels.num_kept(keep), mask_id)
