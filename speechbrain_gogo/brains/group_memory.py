"""Groups whose distances are known, to be learned from again.

Distances cost eight decodes; a step of the policy costs next to nothing. The
codec is frozen and every choice of a group is scored, so what was found out about
a group stays true whatever the policy has become since, and whatever the
rewards make of it: another run may learn from it.
"""

import functools
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import (
    Checkpointer,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import get_rank, if_main_process

from speechbrain_gogo.brains.checkpoints import num_processes


# All ranks save: each one remembers groups of its own.
@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class GroupMemory:
    """The latest groups, with what the policy reads and the distances.

    A ring: the newest groups take the places of the oldest ones. A checkpoint
    holds the memories of all ranks; where other numbers of them resume, they
    take turns.

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
    >>> backbones, distances = memory.draw(2, torch.Generator())
    >>> backbones.shape, distances.shape
    (torch.Size([2, 3, 8]), torch.Size([2, 8]))
    """

    def __init__(self, capacity):
        self.capacity = capacity
        self.rings = None  # [capacity, ...] each
        self.seen = 0  # groups added so far

    def __len__(self):
        return min(self.seen, self.capacity)

    def add(self, *parts):
        """Remember groups: tensors [M, ...] each, such as distances [M, G].

        Groups with a value that is not finite are not worth remembering: they
        would spoil one update after the other.
        """
        parts = [part.detach().cpu() for part in parts]
        finite = [part.isfinite().flatten(1).all(1) for part in parts]
        usable = torch.stack(finite).all(0)  # [M]
        parts = [part[usable][-self.capacity :] for part in parts]
        if self.rings is None:
            self.rings = [
                p.new_empty(self.capacity, *p.shape[1:]) for p in parts
            ]
        places = (self.seen + torch.arange(len(parts[0]))) % self.capacity
        for ring, part in zip(self.rings, parts):
            ring[places] = part
        self.seen += len(places)

    def draw(self, count, generator):
        """Groups by chance, at most so many: tensors [M, ...] each."""
        return self._get(torch.randperm(len(self), generator=generator)[:count])

    def recall(self, save_folder, fingerprint):
        """Remember what another run does.

        Arguments
        ---------
        save_folder : str | Path
            Of its checkpoints.
        fingerprint : str
            That its distances have to have.

        Returns
        -------
        int
            Groups that all of its ranks remember together.

        Raises
        ------
        ValueError
            If it has no such memory.
        """
        path = Path(save_folder)
        last = path.is_dir() and Checkpointer(path).find_checkpoint()
        if not last or "memory" not in last.paramfiles:
            raise ValueError(
                f"{path} has no checkpoint with a memory of groups: give the "
                "save folder of a run that has replay_groups."
            )
        if last.meta.get("distances") != fingerprint:
            raise ValueError(
                f"The groups in {last.path} were scored by another codec, "
                "vocoder or number of flow steps: score them with this one."
            )
        every = torch.load(last.paramfiles["memory"])
        self._share(every)
        if not len(self):
            raise ValueError(f"{last.path} remembers no group.")
        return sum(len(parts[0]) for parts in every if parts)

    def _get(self, ages):
        """Groups by their age; 0 is the oldest one."""
        places = (self.seen - len(self) + ages) % self.capacity
        return [ring[places] for ring in self.rings or []]

    @mark_as_saver
    def _save(self, path):
        every = [self._get(torch.arange(len(self)))]  # a memory per rank
        if num_processes() > 1:
            mine, every = every[0], [None] * num_processes()
            torch.distributed.all_gather_object(every, mine)
        if if_main_process():
            torch.save(every, path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        del end_of_epoch
        self._share(torch.load(path))

    def _share(self, every):
        """Take up the memory of this rank, of those of all."""
        self.rings, self.seen = None, 0
        parts = every[(get_rank() or 0) % len(every)]
        if parts:
            self.add(*parts)
