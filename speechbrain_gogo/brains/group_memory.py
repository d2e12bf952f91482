"""Groups whose rewards are known, to be learned from again.

Rewards cost eight decodes; a step of the policy costs next to nothing. The
codec is frozen and every choice of a group is scored, so what was found out about
a group stays true whatever the policy has become since.
"""

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)


@register_checkpoint_hooks
class GroupMemory:
    """The latest groups, with what the policy reads and the rewards.

    Arguments
    ---------
    capacity : int
        Groups that are kept; the oldest ones are forgotten.

    Example
    -------
    >>> memory = GroupMemory(capacity=4)
    >>> memory.add(torch.zeros(3, 3, 8), torch.zeros(3, 8))
    >>> memory.add(torch.ones(3, 3, 8), torch.ones(3, 8))
    >>> memory.add(torch.ones(1, 3, 8), torch.full((1, 8), torch.nan))
    >>> len(memory)
    4
    >>> backbones, rewards = memory.draw(2, torch.Generator())
    >>> backbones.shape, rewards.shape
    (torch.Size([2, 3, 8]), torch.Size([2, 8]))
    """

    def __init__(self, capacity):
        self.capacity = capacity
        self.parts = None

    def __len__(self):
        return 0 if self.parts is None else len(self.parts[0])

    def add(self, *parts):
        """Remember groups: tensors [M, ...] each, such as rewards [M, G].

        Groups with a value that is not finite are not worth remembering: they
        would spoil one update after the other.
        """
        parts = [part.detach().cpu() for part in parts]
        finite = [part.isfinite().flatten(1).all(1) for part in parts]
        usable = torch.stack(finite).all(0)  # [M]
        parts = [part[usable] for part in parts]
        if self.parts is not None:
            parts = [torch.cat(pair) for pair in zip(self.parts, parts)]
        self.parts = [part[-self.capacity :] for part in parts]

    def draw(self, count, generator):
        """Groups by chance, at most so many: tensors [M, ...] each."""
        chosen = torch.randperm(len(self), generator=generator)[:count]
        return [part[chosen] for part in self.parts]

    @mark_as_saver
    def _save(self, path):
        torch.save(self.parts, path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        del end_of_epoch
        self.parts = torch.load(path)
