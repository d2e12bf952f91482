"""Layouts of a token matrix [B, N, K] for recipes of other codecs.

Such recipes read T' steps of K' codebooks. ``flat`` is one codebook, with the
tokens of a group in sequence: at 47 Hz it has enough steps for a CTC loss.
``grouped`` is K codebooks, one group per step.
"""

import torch

LAYOUTS = ("flat", "grouped")


def check_layout(layout):
    """The layout, if it is one of LAYOUTS; else a ValueError."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout='{layout}': use one of {LAYOUTS}.")
    return layout


def lay_out(tokens, layout, codes=None, codebooks=None):
    """A token matrix as steps of codebooks.

    In a residual or product quantizer, the same id means different codes in
    different columns. In the flat layout, these share one codebook:
    those of codebook k begin at k * codes.

    Arguments
    ---------
    tokens : torch.Tensor
        int64 [..., N, K].
    layout : str
        One of LAYOUTS.
    codes : int
        Codes C of each codebook, if there are several; the id C is a masked
        token. None where all columns have the same codes.
    codebooks : sequence of int
        Number of each column's codebook; all differ by default. There may be
        more than K.

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
    >>> lay_out(torch.tensor([[1, 2, 3]]), "flat", 9, [0, 1, 1]).tolist()
    [[1], [11], [12]]
    """
    if check_layout(layout) == "grouped":
        return tokens
    if codes is not None:
        books = _codebooks(codebooks, tokens)  # [K]
        largest = int(books.max() + 1) * codes
        ids = tokens + codes * books
        tokens = torch.where(tokens == codes, largest, ids)
    return tokens.flatten(-2).unsqueeze(-1)


def group_ids(ids, codes, codebooks=None):
    """Flat ids of several codebooks [..., N, K] as ids of their columns.

    The inverse of :func:`lay_out` for groups, with its ``codes`` C and
    ``codebooks``. The C ids of each codebook become 0 to C - 1, and the masked
    token, whose id follows those of all codebooks, becomes C. 0 pads, and is
    accepted in any column. An id of another column's codebook raises a
    ValueError that says where it is.
    """
    books = _codebooks(codebooks, ids)  # [K]
    missing = ids == int(books.max() + 1) * codes
    wrong = (ids // codes != books) & ~missing & (ids != 0)
    if wrong.any():
        first = wrong.nonzero()[0].tolist()
        least = codes * int(books[first[-1]])
        raise ValueError(
            f"Token {int(ids[tuple(first)])} at [..., group, column] = {first} "
            f"is not one of column {first[-1]}, whose ids are "
            f"{least}..{least + codes - 1}, or "
            f"{codes * (int(books.max()) + 1)} for a token that is masked."
        )
    found = torch.where(missing, codes, ids - codes * books)
    return torch.where(ids == 0, 0, found)


def code_table(embed, codes, layout, codebooks):
    """Features of every id: grouped [K, C, H], flat [1, codebooks * C, H].

    ``embed`` maps a token matrix [1, C, K] to features [1, C, K, H];
    ``codebooks`` has the number of each of the K columns' codebook.
    """
    columns = list(range(len(codebooks)))
    if layout == "flat":  # the first column of each codebook
        columns = [codebooks.index(book) for book in sorted(set(codebooks))]
    ids = torch.arange(codes)[:, None].expand(-1, columns[-1] + 1)
    found = embed(ids[None])[0][:, columns].transpose(0, 1)  # [K', C, H]
    if layout == "flat":
        found = found.flatten(0, 1).unsqueeze(0)
    return found.contiguous()


def _codebooks(codebooks, tokens):
    """The codebook of each column of tokens [..., K], int64 [K]."""
    columns = tokens.shape[-1]
    books = range(columns) if codebooks is None else codebooks[:columns]
    return torch.tensor(list(books), device=tokens.device)
