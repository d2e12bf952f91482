"""Differences between the tokens of a clip and of its disturbed version, by level."""

import numpy as np
import torch
from torchaudio.functional import edit_distance


def compare_tokens(clean, changed):
    """Count the tokens of each level that differ.

    Tokens are given by level, int64 [steps, streams]; if one is longer, its
    additional tokens count as different. Gives ``changed LEVEL``, number of
    tokens that differ from the one at the same position; ``edits LEVEL``, edit
    distance, summed over streams; ``tokens LEVEL``, number of clean tokens.

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
    """Distance of the vectors of tokens [T', K, H] from the clean ones.

    It is small if the tokens differ, but are neighbours on the grid of codes.
    Gives ``distance LEVEL``, the mean squared distance divided by that between
    steps of the clip: 0 if all are equal, about 1 if they are unrelated. A
    level whose clean steps are all equal, as of a single group, has none. The
    result is empty without vectors, or with another number of steps.

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
        if (own == own[0]).all():
            continue
        spread = 2 * (own - own.mean(0)).square().sum(2).mean()
        error = (own - other).square().sum(2).mean()
        found[f"distance {level.name}"] = float(error / spread)
    return found


def coarse_less_fine(counts, levels, number):
    """Share of tokens that differ at the coarsest levels, less that at the finest.

    It is negative where coarse tokens are more robust. Counts are those of
    :func:`compare_tokens`, levels are from coarse to fine; ``number`` levels,
    at most half of all, are coarse and as many fine.

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
    """Tokens [T', K] and vectors of a clip in random order, for the chance level."""
    order = torch.randperm(len(read[0]), generator=draw)
    return tuple(None if x is None else x[order] for x in read)
