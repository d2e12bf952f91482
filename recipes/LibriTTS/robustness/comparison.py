"""How far two readings of a clip differ, level by level."""

import numpy as np
import torch
from torchaudio.functional import edit_distance


def compare_tokens(clean, changed):
    """Count the tokens of each level that differ.

    Arguments
    ---------
    clean, changed : dict
        Level -> int64 [steps, streams]; where one is longer, its rest counts
        as different.

    Returns
    -------
    dict
        ``changed LEVEL``, tokens that differ at their place; ``edits LEVEL``,
        the edit distance, a sum over streams; ``tokens LEVEL``.

    Example
    -------
    >>> clean = {"1": torch.tensor([[5], [6], [7]])}
    >>> compare_tokens(clean, {"1": torch.tensor([[6], [7], [7]])})
    {'changed 1': 2, 'edits 1': 2, 'tokens 1': 3}
    """
    counts = {}
    for name, own in clean.items():
        other = changed[name]
        steps, most = sorted((len(own), len(other)))
        streams = own.shape[1]
        differing = int((own[:steps] != other[:steps]).sum())
        counts[f"changed {name}"] = differing + (most - steps) * streams
        counts[f"edits {name}"] = sum(
            edit_distance(a, b)
            for a, b in zip(own.T.tolist(), other.T.tolist())
        )
        counts[f"tokens {name}"] = own.numel()
    return counts


def compare_vectors(clean, changed, levels):
    """How far the vectors of tokens are from the clean ones.

    Of a codec whose codes are points of a grid, most tokens that differ may be
    neighbours; this tells.

    Arguments
    ---------
    clean, changed : torch.Tensor
        [T', K, H], of as many steps; None gives nothing.
    levels : Levels
        Of the columns.

    Returns
    -------
    dict
        ``distance LEVEL``, the mean squared distance over that of the clip's
        steps from each other: 0 is equal, about 1 unrelated.

    Example
    -------
    >>> from speechbrain_gogo.lobes.tokens.levels import Levels
    >>> clean = torch.randn(500, 1, 4)
    >>> other = clean[torch.randperm(500)]
    >>> found = compare_vectors(clean, other, Levels([1], [1]))
    >>> round(found["distance 1"])
    1
    """
    if clean is None or clean.shape != changed.shape:
        return {}
    found = {}
    for level in levels:
        own, other = clean[:, level.columns], changed[:, level.columns]
        spread = 2 * (own - own.mean(0)).square().sum(2).mean()
        error = (own - other).square().sum(2).mean()
        found[f"distance {level.name}"] = float(error / spread.clamp(min=1e-9))
    return found


def coarse_less_fine(counts, levels, number):
    """Share that differs in the coarsest levels less that in the finest ones.

    Arguments
    ---------
    counts : dict
        Of :func:`compare_tokens`.
    levels : list of str
        Coarse to fine.
    number : int
        Of the coarsest and of the finest ones; at most half of all.

    Returns
    -------
    float
        Negative where coarse tokens are more robust.

    Example
    -------
    >>> counts = {"changed 1": 1, "tokens 1": 4, "changed 2": 6, "tokens 2": 8}
    >>> coarse_less_fine(counts, ["1", "2"], 3)
    -0.5
    """
    shares = [counts[f"changed {n}"] / counts[f"tokens {n}"] for n in levels]
    number = min(number, len(shares) // 2)
    if not number:
        return 0.0
    return float(np.mean(shares[:number]) - np.mean(shares[-number:]))


def shuffled(read, draw):
    """Tokens [T', K] and vectors of a clip in another order, as by chance."""
    order = torch.randperm(len(read[0]), generator=draw)
    return tuple(None if x is None else x[order] for x in read)
