"""Losses of a language model of tokens, by position in the group."""

import math

import torch

from speechbrain_gogo.dataio.ranks import sum_over_ranks


class LevelMeans:
    """Losses of predicted tokens by their position in the group.

    Arguments
    ---------
    names : list of str
        Names of the positions, which are numbered from 0.

    Example
    -------
    >>> means = LevelMeans(["1", "2", "end"])
    >>> means.add(torch.tensor([0.0, 2.0, 1.0]), torch.tensor([0, 0, 1]))
    >>> {name: round(value, 3) for name, value in means.read().items()}
    {'loss': 1.0, 'perplexity 1': 2.718, 'perplexity 2': 2.718}
    """

    def __init__(self, names):
        self.names = names
        self.clear()

    def clear(self):
        """Reset all sums."""
        self.sums = torch.zeros(2, len(self.names), dtype=torch.float64)

    def add(self, nll, level):
        """Add tokens: their losses [P] in nats and positions [P]."""
        nll = nll.detach().double()
        counted = torch.stack([nll, torch.ones_like(nll)])
        self.sums = self.sums.to(nll.device)  # stays there until it is read
        self.sums.index_add_(1, level, counted)

    def gather(self):
        """Sum over all ranks; every rank has to call it."""
        self.sums = sum_over_ranks({"sums": self.sums})["sums"]

    def read(self):
        """Mean loss of all tokens, and the perplexity at each position.

        Positions without tokens are left out, and the loss if there are no
        tokens.
        """
        nll, count = self.sums.sum(1).tolist()
        found = {"loss": nll / count} if count else {}
        for name, nll, count in zip(self.names, *self.sums.tolist()):
            if count:
                found[f"perplexity {name}"] = math.exp(nll / count)
        return found
