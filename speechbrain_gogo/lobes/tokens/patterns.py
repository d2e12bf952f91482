"""Orders in which a language model reads a token matrix [B, N, K].

The order is data, not code of the models: ``group_major`` is Gogo's (all
tokens of a group, then the next group), ``level_major`` is CoFi-Speech's chain
of scale (one level over the whole utterance, then the next finer one), and
``delay`` is SoCodec's (level k lags k steps behind the coarsest).
"""

import torch

ORDERS = ("group_major", "level_major", "delay")


def _check(order, given, form):
    """Raise an error for an unknown order, or a tensor of another ``form``."""
    if order not in ORDERS:
        raise ValueError(f"Unknown token order '{order}': use one of {ORDERS}.")
    if given.dim() != form.count(",") + 1:
        raise ValueError(
            f"For the order '{order}' give {form}; got shape "
            f"{tuple(given.shape)}."
        )


def flatten(tokens, order, pad=0, delay=1):
    """Write a token matrix as the sequence that a language model reads.

    Arguments
    ---------
    tokens : torch.Tensor
        Token matrix, shape [B, N, K].
    order : str
        "group_major", "level_major" or "delay".
    pad : int
        Fills the corners of "delay" where no token is.
    delay : int
        Steps that a level lags behind the one before it, of "delay".

    Returns
    -------
    torch.Tensor
        [B, N * K]; for "delay" [B, N + (K - 1) * delay, K].

    Raises
    ------
    ValueError
        If the order is unknown or the tokens are no matrix [B, N, K].

    Example
    -------
    >>> tokens = torch.tensor([[[1, 2], [3, 4], [5, 6]]])
    >>> flatten(tokens, "group_major").tolist()
    [[1, 2, 3, 4, 5, 6]]
    >>> flatten(tokens, "level_major").tolist()
    [[1, 3, 5, 2, 4, 6]]
    >>> flatten(tokens, "delay").tolist()
    [[[1, 0], [3, 2], [5, 4], [0, 6]]]
    """
    _check(order, tokens, "a token matrix [B, N, K]")
    batch, groups, levels = tokens.shape
    if order == "group_major":
        return tokens.reshape(batch, groups * levels)
    if order == "level_major":
        return tokens.transpose(1, 2).reshape(batch, groups * levels)
    steps = groups + (levels - 1) * delay
    delayed = tokens.new_full((batch, steps, levels), pad)
    index = _delay_index(groups, levels, delay, tokens.device)
    index = index.expand(batch, -1, -1)
    return delayed.scatter(1, index, tokens)


def unflatten(sequence, order, num_levels, delay=1):
    """Read the token matrix back from a sequence made by :func:`flatten`.

    Arguments
    ---------
    sequence : torch.Tensor
        [B, N * K]; for "delay" [B, N + (K - 1) * delay, K].
    order : str
        "group_major", "level_major" or "delay".
    num_levels : int
        Tokens per group, K.
    delay : int
        As in :func:`flatten`.

    Returns
    -------
    torch.Tensor
        Token matrix, shape [B, N, K].

    Raises
    ------
    ValueError
        If the order is unknown, the shape is another, or the length does not
        hold whole groups.

    Example
    -------
    >>> tokens = torch.arange(12).view(1, 4, 3)
    >>> sequence = flatten(tokens, "delay")
    >>> bool((unflatten(sequence, "delay", 3) == tokens).all())
    True
    """
    steps = "[B, steps, K]" if order == "delay" else "[B, N * K]"
    _check(order, sequence, f"a sequence {steps}")
    if order == "delay":
        groups = sequence.shape[1] - (num_levels - 1) * delay
        if groups < 1 or sequence.shape[2] != num_levels:
            raise ValueError(
                f"A delayed sequence of shape {tuple(sequence.shape)} does not "
                f"hold groups of {num_levels} tokens."
            )
        index = _delay_index(groups, num_levels, delay, sequence.device)
        return sequence.gather(1, index.expand(sequence.shape[0], -1, -1))
    batch, length = sequence.shape
    if length % num_levels:
        raise ValueError(
            f"A sequence of {length} tokens does not hold whole groups of "
            f"{num_levels}: cut or pad it to a multiple."
        )
    groups = length // num_levels
    if order == "group_major":
        return sequence.reshape(batch, groups, num_levels)
    return sequence.reshape(batch, num_levels, groups).transpose(1, 2)


def pack(parts, left=False):
    """Join padded pieces to sequences without gaps.

    ``parts`` are pieces int64 [B, T] and bool [B, T], which of their columns are
    real. Gives sequences int64 [B, S] as long as the longest, 0 in the padding,
    and their lengths, int64 [B]. The padding is after the sequence, or before it
    with ``left``.

    Example
    -------
    >>> one = torch.tensor([[1, 2], [3, 0]]), torch.tensor([[1, 1], [1, 0]])
    >>> two = torch.tensor([[4], [5]]), torch.tensor([[1], [1]])
    >>> pack([one, two])[0].tolist()
    [[1, 2, 4], [3, 5, 0]]
    """
    ids, real = (torch.cat(pieces, dim=1) for pieces in zip(*parts))
    real = real.long()
    ids = ids * real
    order = (real if left else -real).argsort(dim=1, stable=True)
    length = real.sum(1)
    longest = int(length.max())
    kept = slice(-longest, None) if left else slice(longest)
    return ids.gather(1, order)[:, kept], length


def _delay_index(groups, levels, delay, device):
    """The step at which token (i, k) is read: i + k * delay, [1, N, K]."""
    group = torch.arange(groups, device=device)[None, :, None]
    return group + delay * torch.arange(levels, device=device)[None, None, :]
