"""Levels of a token matrix, each with its own rate.

A codec's group may hold several steps of a finer level: of CoFi-Codec (Section
II-A), 120 ms hold one token of the coarsest scale, three of the next one and
six steps of four streams of the finest, 28 columns. A level is a slice of the
columns of [B, N, K], coarse to fine; within it, the columns are ordered
by step and then by stream. In Gogo and SoCodec, every column is a level.

Letters: B batch, N groups, K columns, p steps of a level per group, S streams.
"""

from dataclasses import dataclass
from itertools import accumulate

import torch


@dataclass(frozen=True)
class Level:
    """One level: a slice of the columns of a token matrix.

    It has a name for messages and tables, the steps per group p, the tokens of a
    step S, and its first column.

    Example
    -------
    >>> Level("40 ms", steps=3, streams=1, start=1).columns
    slice(1, 4, None)
    """

    name: str
    steps: int
    streams: int
    start: int

    @property
    def size(self):
        """Tokens per group."""
        return self.steps * self.streams

    @property
    def columns(self):
        """Its slice of the columns."""
        return slice(self.start, self.start + self.size)

    def unpack(self, tokens):
        """Tokens [..., N, K] -> those of this level, [..., N * p, S]."""
        own = tokens[..., self.columns]  # [..., N, p * S]
        return own.unflatten(-1, (self.steps, self.streams)).flatten(-3, -2)


class Levels:
    """The levels of a token matrix, coarse to fine.

    Arguments
    ---------
    steps : sequence of int
        Steps of each level per group; each divides the last one's.
    streams : sequence of int
        Tokens of a step of each level.
    names : sequence of str
        Names of each level; their numbers, from 1, by default.

    Example
    -------
    >>> levels = Levels([1, 3, 6], [1, 1, 4], ["120 ms", "40 ms", "20 ms"])
    >>> levels.num_columns, [level.start for level in levels]
    (28, [0, 1, 4])
    >>> tokens = torch.arange(2 * 5 * 28).view(2, 5, 28)
    >>> parts = levels.unpack(tokens)
    >>> [tuple(part.shape) for part in parts]
    [(2, 5, 1), (2, 15, 1), (2, 30, 4)]
    >>> bool((levels.pack(parts) == tokens).all())
    True
    """

    def __init__(self, steps, streams, names=None):
        steps, streams = list(steps), list(streams)
        if names is None:
            names = [str(place + 1) for place in range(len(steps))]
        if not len(steps) == len(streams) == len(names) > 0:
            raise ValueError(
                f"Levels need a number of steps, of streams and a name each; "
                f"got {len(steps)}, {len(streams)} and {len(names)}."
            )
        if min(*steps, *streams) < 1 or any(steps[-1] % p for p in steps):
            raise ValueError(
                f"Steps of levels must divide those of the finest, and both "
                f"steps and streams be at least 1; got steps {steps} and "
                f"streams {streams}."
            )
        sizes = [p * s for p, s in zip(steps, streams)]
        starts = accumulate(sizes, initial=0)
        parts = zip(names, steps, streams, starts)
        self._levels = tuple(Level(*part) for part in parts)

    @classmethod
    def single_columns(cls, num_columns):
        """Levels of which each is one column, one token per group."""
        return cls([1] * num_columns, [1] * num_columns)

    def __len__(self):
        return len(self._levels)

    def __iter__(self):
        return iter(self._levels)

    def __getitem__(self, place):
        return self._levels[place]

    def __eq__(self, other):
        return isinstance(other, Levels) and self._levels == other._levels

    def __hash__(self):
        return hash(self._levels)

    def __repr__(self):
        return f"Levels({list(self._levels)})"

    @property
    def num_columns(self):
        """Tokens per group, K."""
        return self._levels[-1].columns.stop

    @property
    def codebooks(self):
        """Number of each column's codebook, K of them, if every stream has its own.

        The steps of a level share its streams' codebooks.

        Example
        -------
        >>> Levels([1, 2], [1, 2]).codebooks
        [0, 1, 2, 1, 2]
        """
        found, first = [], 0
        for level in self:
            streams = range(first, first + level.streams)
            found += list(streams) * level.steps
            first += level.streams
        return found

    def num_kept(self, keep):
        """Number of columns of the first ``keep`` levels, 0..len(self).

        ``keep`` is an int or a tensor of any shape, and so is the result.

        Example
        -------
        >>> levels = Levels([1, 3, 6], [1, 1, 4])
        >>> levels.num_kept(2), levels.num_kept(torch.tensor([1, 3]))
        (4, tensor([ 1, 28]))
        """
        stops = [0, *(level.columns.stop for level in self)]
        if torch.is_tensor(keep):
            return torch.tensor(stops, device=keep.device)[keep.long()]
        return stops[keep]

    def unpack(self, tokens):
        """A token matrix as one sequence per level, [..., N * p, S] each.

        Tokens are [..., N, K], or [..., N, K'] with the columns of the first levels.
        Raises a ValueError if the columns end within a level.
        """
        size = tokens.shape[-1]
        stops = [level.columns.stop for level in self]
        if size not in stops:
            raise ValueError(
                f"{size} columns do not hold whole levels, which end at "
                f"columns {stops}."
            )
        held = self._levels[: stops.index(size) + 1]
        return [level.unpack(tokens) for level in held]

    def pack(self, parts):
        """The token matrix [..., N, K'] of sequences, the inverse of :meth:`unpack`.

        Sequences are [..., N * p, S] of the first levels, all or fewer. Raises a
        ValueError if one has not the steps of N groups, or not its streams.
        """
        groups = parts[0].shape[-2] // self._levels[0].steps
        columns = []
        for level, part in zip(self, parts):
            expected = groups * level.steps, level.streams
            if tuple(part.shape[-2:]) != expected:
                raise ValueError(
                    f"Level {level.name} of {groups} groups is {expected}, "
                    f"steps by streams; got {tuple(part.shape[-2:])}."
                )
            part = part.unflatten(-2, (groups, level.steps))
            columns.append(part.flatten(-2))  # [..., N, p * S]
        return torch.cat(columns, dim=-1)
