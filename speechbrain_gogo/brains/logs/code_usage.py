"""Number of codes that a quantizer uses at each level.

When a codebook collapses, the loss still decreases, but the tokens have less
and less information. The number of different codes per update shows a collapse
within a hundred updates.
"""

import logging

import torch

logger = logging.getLogger(__name__)


class CodeUsage:
    """Different codes of each level in an update, averaged over updates.

    There are ``num_levels`` levels of ``vocab_size`` codes. A level has
    collapsed if it uses fewer codes than a quarter of its maximum so far
    (averages between two logs). A warning is logged once, until it recovers.

    Example
    -------
    >>> usage = CodeUsage(num_levels=2, vocab_size=5)
    >>> usage.add(torch.tensor([[0, 1], [0, 2]]))  # one batch
    >>> usage.add(torch.tensor([[0, 3]]))  # another one of the same update
    >>> usage.end_update()
    >>> usage.read(step=1)
    {'codes used 1': 1.0, 'codes used 2': 3.0}
    """

    def __init__(self, num_levels, vocab_size):
        self.shape = num_levels, vocab_size
        self.most = [0.0] * num_levels
        self.collapsed = [False] * num_levels
        self.seen = None  # bool [K, C], the codes of this update
        self.clear()

    def clear(self):
        """Reset the averages."""
        self.updates, self.total = 0, 0.0

    def add(self, tokens):
        """Count the codes of a batch, int64 [M, K]."""
        if self.seen is None:
            self.seen = tokens.new_zeros(self.shape, dtype=torch.bool)
        # Unlike unique(), it does not wait for the device.
        self.seen.scatter_(1, tokens.T, True)

    def end_update(self):
        """End an update of one or several batches."""
        self.total = self.total + self.seen.sum(1)  # [K], on its device
        self.updates += 1
        self.seen = None

    def drop_update(self):
        """Forget the batches of an update that was skipped."""
        self.seen = None

    def read(self, step):
        """Averages since the last call; warns of levels that have collapsed.

        "codes used 1" and so on, from the coarsest level.
        """
        used = (self.total / self.updates).tolist()
        self.clear()
        for level, count in enumerate(used):
            self._check(level, count, step)
        return {f"codes used {k + 1}": count for k, count in enumerate(used)}

    def _check(self, level, count, step):
        """Warn when a level has collapsed."""
        self.most[level] = max(self.most[level], count)
        collapsed = count < self.most[level] / 4
        if collapsed and not self.collapsed[level]:
            logger.warning(
                "Update %d: level %d of the quantizer uses %.0f codes in an "
                "update, after %.0f at most: it is collapsing. Lower "
                "learning_rate, lengthen warmup_steps, or standardize the "
                "quantizer's inputs (standardized_fsq.StandardizedFSQ).",
                step,
                level + 1,
                count,
                self.most[level],
            )
        self.collapsed[level] = collapsed
