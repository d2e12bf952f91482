"""How a token matrix [B, N, K] looks to recipes that were made for others.

Recipes know T' steps of K' codebooks. ``flat`` is one codebook, the tokens of
a group one after the other: at 47 Hz it has the steps that a CTC loss needs.
``grouped`` is K codebooks, a group per step.
"""

LAYOUTS = ("flat", "grouped")


def check_layout(layout, own_codes=False):
    """Refuse what is no layout, or none for these tokens.

    Arguments
    ---------
    layout : str
        One of LAYOUTS.
    own_codes : bool
        Each level has codes of its own, as those of a residual quantizer:
        they mean other things under the same ids.

    Returns
    -------
    str
        The layout.

    Raises
    ------
    ValueError
        If it is none, or puts different codes into one codebook.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout='{layout}': use one of {LAYOUTS}.")
    if own_codes and layout == "flat":
        raise ValueError(
            "The levels of this codec have codes of their own, which one "
            "codebook cannot hold: use layout='grouped'."
        )
    return layout


def lay_out(tokens, layout):
    """A token matrix as steps of codebooks.

    Arguments
    ---------
    tokens : torch.Tensor
        int64 [..., N, K].
    layout : str
        One of LAYOUTS.

    Returns
    -------
    torch.Tensor
        flat: [..., N * K, 1]; grouped: [..., N, K].

    Example
    -------
    >>> import torch
    >>> lay_out(torch.tensor([[1, 2], [3, 4]]), "flat").tolist()
    [[1], [2], [3], [4]]
    """
    flat = check_layout(layout) == "flat"
    return tokens.flatten(-2).unsqueeze(-1) if flat else tokens
