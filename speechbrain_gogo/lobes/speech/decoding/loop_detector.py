"""Detection of repetitions in generated speech, so that it can be cut off.

Letters: B batch, b tokens of the backbone.
"""

import torch


class LoopDetector:
    """Detects repetitions in generated groups.

    Arguments
    ---------
    batch : int
        Utterances.
    groups : int
        Number of groups for which a cycle must repeat to be a loop.
    device : torch.device
        Device of the groups.
    longest : int
        Groups of the longest cycle.

    Example
    -------
    >>> detector = LoopDetector(1, 4, "cpu")
    >>> [bool(detector(torch.tensor([[step % 2]]))) for step in range(6)]
    [False, False, False, False, False, True]
    """

    def __init__(self, batch, groups, device, longest=4):
        self.groups = groups
        self.last = None  # [B, longest, b], the newest first
        self.run = torch.zeros(batch, longest, dtype=torch.long, device=device)

    def __call__(self, group):
        """Group [B, b] -> bool [B], True for utterances in a loop."""
        if self.last is None:
            self.last = group.new_full((*self.run.shape, group.shape[1]), -1)
        same = (self.last == group.unsqueeze(1)).all(2)  # [B, longest]
        self.run = torch.where(same, self.run + 1, 0)
        self.last = torch.cat([group.unsqueeze(1), self.last[:, :-1]], dim=1)
        return (self.run >= self.groups).any(1)
