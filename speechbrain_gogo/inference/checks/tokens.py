"""Checks of token ids and of numbers of tokens per group."""

import torch

from speechbrain_gogo.inference.checks.settings import as_numbers, check_whole
from speechbrain_gogo.lobes.tokens.granular import keep_prefix


def check_tokens(tokens, levels, mask_id, device):
    """Check token ids [B, N, K], K at most ``levels``, and return them as int64.

    They may be of any dtype, if they are whole numbers from 0 to ``mask_id``.
    """
    tokens = as_numbers(tokens, "tokens")
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
    """Check that a number of tokens per group is in 1..``levels``, and return it."""
    value = check_whole(value, name)
    if not 1 <= value <= levels:
        raise ValueError(f"{name}={value} is outside 1..{levels}.")
    return value


def mask_dropped(tokens, keep, levels, mask_id, real=None):
    """Replace tokens [B, N, K] that ``keep`` drops by the masking token.

    ``keep`` is a number of levels of every group, or [B, N] of each; None keeps
    all. ``levels`` are the levels of the columns, a Levels. ``real``, bool [B,
    N], is False where groups are padding, of which ``keep`` may be anything.
    """
    if keep is None:
        return tokens
    keep = as_numbers(keep, "keep", tokens.device)
    if keep.is_floating_point() and (keep % 1).any():
        raise ValueError(f"keep must be whole numbers; got {keep.tolist()}.")
    if keep.dim() == 0:
        check_level(int(keep), len(levels), "keep")
    elif keep.shape != tokens.shape[:2]:
        raise ValueError(
            f"keep must be a number or [batch, groups] = "
            f"{list(tokens.shape[:2])}; got {list(keep.shape)}."
        )
    elif real is not None:
        keep = torch.where(real, keep, 1)
    wrong = (keep < 1) | (keep > len(levels))
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"keep {int(keep[tuple(place)])} at [utterance, group] = {place} "
            f"is outside 1..{len(levels)}."
        )
    return keep_prefix(tokens, levels.num_kept(keep), mask_id)
