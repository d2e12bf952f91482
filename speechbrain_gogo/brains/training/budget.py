"""Duration and learning rate schedule of a training.

Cosine annealing with a linear warm-up (Appendix D, Table 4), over a number of
updates or of minutes, whichever ends first; exponential decay for CoFi-Speech.
"""

import math
import time

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import ddp_broadcast


@register_checkpoint_hooks
class TrainingBudget:
    """Measures the progress of a training and sets its learning rate.

    Arguments
    ---------
    num_steps : int
        Total number of updates. None if the training is counted in epochs: it
        is then set when the length of an epoch is known.
    warmup_steps : int
        Number of updates until the full learning rate.
    max_minutes : float
        Limit of the wall-clock time, summed over resumed runs; None for no
        limit.

    Raises
    ------
    ValueError
        If updates or minutes are not more than 0.

    Example
    -------
    >>> budget = TrainingBudget(num_steps=100, warmup_steps=10)
    >>> [round(budget.factor(step), 3) for step in (5, 50, 100)]
    [0.497, 0.5, 0.0]
    """

    def __init__(self, num_steps, warmup_steps, max_minutes=None):
        limits = {"num_steps": num_steps, "max_minutes": max_minutes}
        for name, limit in limits.items():
            if limit is not None and not limit > 0:
                raise ValueError(f"{name}={limit}: give more than 0, or null.")
        self.num_steps = num_steps
        self.warmup_steps = warmup_steps
        self.max_minutes = max_minutes
        self.minutes_before = 0.0
        self.started = None

    @property
    def minutes(self):
        """Minutes of training so far, over all runs; 0 before the first."""
        if self.started is None:
            return self.minutes_before
        return self.minutes_before + (time.monotonic() - self.started) / 60

    def share(self, step):
        """Completed share of the training, 0 to 1, by this process' clock."""
        done = step / self.num_steps
        if self.max_minutes is not None:
            done = max(done, self.minutes / self.max_minutes)
        return min(done, 1.0)

    def progress(self, step):
        """Completed share of the training, 0 to 1, the same on all ranks.

        The first call starts the clock.
        """
        if self.started is None:
            self.started = time.monotonic()
        if self.max_minutes is None:
            return self.share(step)
        return ddp_broadcast(self.share(step))  # rank 0 keeps the time

    def minutes_left(self, step):
        """Minutes until the end at the speed so far; None before a start."""
        done = self.share(step) if self.num_steps else 0
        return self.minutes * (1 - done) / done if done else None

    def factor(self, step):
        """Learning rate at an update, divided by its maximum."""
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress(step)))
        return min(step / max(self.warmup_steps, 1), 1.0) * cosine

    def over(self, step):
        """Whether the training has ended."""
        return self.progress(step) >= 1.0

    @mark_as_saver
    def _save(self, path):
        torch.save({"minutes": self.minutes}, path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        self.minutes_before = torch.load(path)["minutes"]
        self.started = None


class ExponentialBudget(TrainingBudget):
    """A budget whose learning rate decays exponentially.

    CoFi-Speech (Section III-A): from 3e-4 to 1e-4.

    Arguments
    ---------
    num_steps, warmup_steps, max_minutes
        As in :class:`TrainingBudget`.
    last_factor : float
        Final learning rate divided by its maximum.

    Example
    -------
    >>> budget = ExponentialBudget(100, warmup_steps=0, last_factor=0.25)
    >>> [budget.factor(step) for step in (0, 50, 100)]
    [0.0, 0.5, 0.25]
    """

    def __init__(
        self, num_steps, warmup_steps, max_minutes=None, last_factor=1 / 3
    ):
        super().__init__(num_steps, warmup_steps, max_minutes)
        self.last_factor = last_factor

    def factor(self, step):
        """Learning rate at an update, divided by its maximum."""
        decay = self.last_factor ** self.progress(step)
        return min(step / max(self.warmup_steps, 1), 1.0) * decay
