"""How a token matrix [B, N, K] looks to recipes that were made for others.

Recipes know T' steps of K' codebooks. ``flat`` is one codebook, the tokens of
a group one after the other: at 47 Hz it has the steps that a CTC loss needs.
``grouped`` is K codebooks, a group per step.
"""

import torch

LAYOUTS = ("flat", "grouped")


def check_layout(layout):
    """Refuse what is no layout.

    Arguments
    ---------
    layout : str
        One of LAYOUTS.

    Returns
    -------
    str
        The layout.

    Raises
    ------
    ValueError
        If it is none.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout='{layout}': use one of {LAYOUTS}.")
    return layout


def lay_out(tokens, layout, codes=None):
    """A token matrix as steps of codebooks.

    Levels whose codes mean other things under the same ids, as those of a
    residual or a product quantizer, share one codebook under different ids:
    level k has those from k * codes on.

    Arguments
    ---------
    tokens : torch.Tensor
        int64 [..., N, K].
    layout : str
        One of LAYOUTS.
    codes : int
        Codes C of each level, if every level has its own; ids C stand for a
        token that is not there. None where all levels have the same codes.

    Returns
    -------
    torch.Tensor
        flat: [..., N * K, 1]; grouped: [..., N, K].

    Example
    -------
    >>> import torch
    >>> lay_out(torch.tensor([[1, 2], [3, 4]]), "flat").tolist()
    [[1], [2], [3], [4]]
    >>> lay_out(torch.tensor([[1, 2], [3, 9]]), "flat", codes=9).tolist()
    [[1], [11], [3], [18]]
    """
    if check_layout(layout) == "grouped":
        return tokens
    if codes is not None:
        levels = tokens.shape[-1]
        ids = tokens + codes * torch.arange(levels, device=tokens.device)
        tokens = torch.where(tokens == codes, levels * codes, ids)
    return tokens.flatten(-2).unsqueeze(-1)


def group_ids(ids, codes, levels):
    """Flat ids of levels with codes of their own, as ids of their levels.

    The inverse of what :func:`lay_out` does to them.

    Arguments
    ---------
    ids : torch.Tensor
        int64 [..., N, K], each below ``levels * codes``, or equal to it. 0,
        which pads, is taken at any level.
    codes : int
        C.
    levels : int
        Levels that the flat ids tell apart.

    Returns
    -------
    torch.Tensor
        int64 [..., N, K], each below C, or C.

    Raises
    ------
    ValueError
        If an id belongs to another level, saying where.
    """
    place = torch.arange(ids.shape[-1], device=ids.device)
    missing = ids == levels * codes
    wrong = (ids // codes != place) & ~missing & (ids != 0)
    if wrong.any():
        first = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"Token {int(ids[tuple(first)])} at [..., group, level] = {first} "
            f"is not one of level {first[-1]}, whose ids are "
            f"{codes * first[-1]}..{codes * first[-1] + codes - 1}."
        )
    found = torch.where(missing, codes, ids - codes * place)
    return torch.where(ids == 0, 0, found)
