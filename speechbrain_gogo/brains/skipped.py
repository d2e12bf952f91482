"""Training clips whose audio was broken, not forgotten by a stop."""

import functools

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process

from speechbrain_gogo.brains.checkpoints import num_processes


@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class SkippedClips(dict):
    """Clip to reason. A checkpoint holds those of all ranks.

    Example
    -------
    >>> from speechbrain.utils.checkpoints import Checkpointer
    >>> skipped, resumed = SkippedClips(a="empty audio"), SkippedClips()
    >>> folder = getfixture("tmp_path")
    >>> _ = Checkpointer(folder, {"skipped": skipped}).save_checkpoint()
    >>> _ = Checkpointer(folder, {"skipped": resumed}).recover_if_possible()
    >>> resumed
    {'a': 'empty audio'}
    """

    def everywhere(self):
        """Those of all ranks, a dict. Every rank has to ask."""
        every = [dict(self)]
        if num_processes() > 1:
            every = [None] * num_processes()
            torch.distributed.all_gather_object(every, dict(self))
        return {clip: reason for one in every for clip, reason in one.items()}

    @mark_as_saver
    def _save(self, path):
        found = self.everywhere()
        if if_main_process():
            torch.save(found, path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        del end_of_epoch
        self.clear()
        self.update(torch.load(path))
