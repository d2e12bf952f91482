"""A replay buffer of groups with their distances.

The distances of a group take eight decodings, an update of the policy much
less. The codec is frozen and all choices of a group are scored, so distances
stay valid when the policy or the weights of the reward change, and in other
runs.
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

from speechbrain_gogo.dataio.ranks import of_all_ranks


# All ranks save: each one has groups of its own.
@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class ReplayBuffer:
    """Ring buffer of the latest groups: input of the policy and distances.

    A checkpoint has the buffers of all ranks. If the number of ranks changes,
    groups are distributed evenly.

    Arguments
    ---------
    capacity : int
        Number of groups to keep; the newest replace the oldest.

    Example
    -------
    >>> replay_buffer = ReplayBuffer(capacity=4)
    >>> replay_buffer.add(torch.zeros(3, 3, 8), torch.zeros(3, 8))
    >>> replay_buffer.add(torch.ones(3, 3, 8), torch.ones(3, 8))
    >>> replay_buffer.add(torch.ones(1, 3, 8), torch.full((1, 8), torch.nan))
    >>> len(replay_buffer)
    4
    >>> backbones, distances = replay_buffer.draw(2, torch.Generator())
    >>> backbones.shape, distances.shape
    (torch.Size([2, 3, 8]), torch.Size([2, 8]))
    """

    def __init__(self, capacity):
        self.capacity = capacity
        self.rings = None  # [capacity, ...] each
        self.seen = 0  # number of groups added so far

    def __len__(self):
        return min(self.seen, self.capacity)

    def add(self, *parts):
        """Add groups: tensors [M, ...] each, such as distances [M, G].

        Groups with a value that is not finite are skipped, since they would
        affect many updates.
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
        """Random groups, at most ``count``: tensors [M, ...] each, on the CPU.

        A list that is empty if nothing was added.
        """
        return self._get(torch.randperm(len(self), generator=generator)[:count])

    def recall(self, save_folder, fingerprint):
        """Load the groups of another run; return their number of all ranks.

        Arguments are the save folder of its checkpoints and the required
        fingerprint of its distances. Raises a ValueError if it has no such
        buffer.
        """
        path = Path(save_folder)
        last = path.is_dir() and Checkpointer(path).find_checkpoint()
        if not last or "replay_buffer" not in last.paramfiles:
            raise ValueError(
                f"{path} has no checkpoint with a replay_buffer of groups: give the "
                "save folder of a run that has replay_groups."
            )
        if last.meta.get("distances") != fingerprint:
            raise ValueError(
                f"The groups in {last.path} were scored by another codec, "
                "vocoder or number of flow steps: score them with this one."
            )
        every = torch.load(last.paramfiles["replay_buffer"])
        self._share(every)
        if not len(self):
            raise ValueError(f"{last.path} holds no group.")
        return sum(len(parts[0]) for parts in every if parts)

    def _get(self, ages):
        """Groups by their age; 0 is the oldest one."""
        places = (self.seen - len(self) + ages) % self.capacity
        return [ring[places] for ring in self.rings or []]

    @mark_as_saver
    def _save(self, path):
        every = of_all_ranks(self._get(torch.arange(len(self))))
        if if_main_process():
            torch.save(every, path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        self._share(torch.load(path))

    def _share(self, every):
        """Load this rank's share of the buffers of all ranks."""
        self.rings, self.seen = None, 0
        parts = every[(get_rank() or 0) % len(every)]
        if parts:
            self.add(*parts)
