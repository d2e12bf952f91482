"""Training clips that were used, and those with broken audio.

Checkpoints hold those of all ranks, for a resumed training.
"""

import functools
import hashlib

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process

from speechbrain_gogo.dataio.ranks import of_all_ranks


@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class SkippedClips(dict):
    """Clip to reason.

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
        """Those of all ranks, a dict. Every rank has to call it."""
        every = of_all_ranks(dict(self))
        return {clip: reason for one in every for clip, reason in one.items()}

    @mark_as_saver
    def _save(self, path):
        found = self.everywhere()
        if if_main_process():
            torch.save(found, path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        self.clear()
        self.update(torch.load(path))


@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class UsedClips:
    """The IDs that were in a batch, as hashes of 8 bytes.

    Example
    -------
    >>> used = UsedClips()
    >>> used.add(["a", "b"])
    >>> used.add(["b"])
    >>> len(used.everywhere()), hash_id("a") in used.everywhere()
    (2, True)
    """

    def __init__(self):
        self.hashes = set()

    def add(self, ids):
        """Remember the IDs of a batch."""
        self.hashes.update(map(hash_id, ids))

    def everywhere(self):
        """The hashes of all ranks, a set. Every rank has to call it."""
        return set().union(*of_all_ranks(self.hashes))

    @mark_as_saver
    def _save(self, path):
        found = self.everywhere()
        if if_main_process():
            torch.save(torch.tensor(sorted(found), dtype=torch.int64), path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        self.hashes = set(torch.load(path).tolist())


def hash_id(key):
    """An ID as a number of 63 bits, the same in every process."""
    digest = hashlib.blake2b(str(key).encode(errors="replace"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1
