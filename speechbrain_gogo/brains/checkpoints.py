"""Atomic checkpoints.

SpeechBrain's Checkpointer writes the meta file, by which it finds a checkpoint,
before the weights: if a run is killed while it saves, or the disk is full, the
newest checkpoint cannot be loaded. Here a checkpoint is written to another
folder, which is renamed when it is complete. Its files are the same as
SpeechBrain's.
"""

import logging
import math
import shutil

import torch
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.distributed import (
    ddp_barrier,
    if_main_process,
    is_distributed_initialized,
)

logger = logging.getLogger(__name__)

PARTIAL = "partial-"


def num_processes():
    """Number of processes of the training; 1 without a distributed run."""
    if is_distributed_initialized():
        return torch.distributed.get_world_size()
    return 1


def has_finite(meta, key):
    """Whether a checkpoint's meta has a finite number under a key.

    Example
    -------
    >>> has_finite({"loss": 1.5}, "loss"), has_finite({"loss": math.nan}, "loss")
    (True, False)
    """
    value = meta.get(key)
    return isinstance(value, (int, float)) and math.isfinite(value)


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's Checkpointer, with atomic saving.

    Its meta also has the number of processes and the ``metadata`` of a Brain. A
    checkpoint whose figure is NaN or infinite is never the best one.

    Example
    -------
    >>> folder, layer = getfixture("tmp_path"), torch.nn.Linear(2, 2)
    >>> checkpointer = AtomicCheckpointer(folder, {"layer": layer})
    >>> saved = checkpointer.save_checkpoint(name="first")
    >>> saved.path.name, saved.meta["processes"]
    ('CKPT+first', 1)
    >>> checkpointer.recover_if_possible().paramfiles == saved.paramfiles
    True
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.metadata = {}

    def save_checkpoint(self, *args, verbosity=logging.INFO, **kwargs):
        """Save to another folder, then rename it; see SpeechBrain's method.

        Raises an OSError if it cannot be written; earlier checkpoints stay intact.
        """
        if if_main_process():  # incomplete folders of an earlier run
            for folder in self.checkpoints_dir.glob(f"{PARTIAL}*"):
                shutil.rmtree(folder)
        try:
            saved = super().save_checkpoint(
                *args, verbosity=logging.DEBUG, **kwargs
            )
        except (OSError, RuntimeError) as error:  # torch's writer: Runtime
            last = self.find_checkpoint()
            raise OSError(
                f"No checkpoint could be written below {self.checkpoints_dir}:"
                f" {error} Is the disk full? The last one that can be loaded "
                f"is {last.path if last else 'none'}; make room and run the "
                "same command to resume from there."
            ) from error
        ddp_barrier()  # no process still writes into the folder
        if saved is not None:  # the main process
            final = saved.path.with_name(saved.path.name.removeprefix(PARTIAL))
            if final.is_dir():  # an older one of the same custom name
                old = final.rename(final.with_name(f"{PARTIAL}{final.name}-"))
                saved.path.rename(final)
                shutil.rmtree(old)
            else:
                saved.path.rename(final)
            logger.log(verbosity, "Saved a checkpoint in %s", final)
            files = {n: final / p.name for n, p in saved.paramfiles.items()}
            saved = saved._replace(path=final, paramfiles=files)
        ddp_barrier()  # all ranks see the same checkpoints before old ones are deleted
        return saved

    def find_checkpoints(
        self,
        importance_key=None,
        max_key=None,
        min_key=None,
        ckpt_predicate=None,
        max_num_checkpoints=None,
    ):
        """As in SpeechBrain; if ranked by a key, only those with a finite value."""
        key, given = max_key or min_key, ckpt_predicate

        def is_ranked(checkpoint):
            if key and not has_finite(checkpoint.meta, key):
                return False
            return given is None or given(checkpoint)

        return super().find_checkpoints(
            importance_key, max_key, min_key, is_ranked, max_num_checkpoints
        )

    def _new_checkpoint_dirpath(self):
        final = super()._new_checkpoint_dirpath()
        return final.with_name(PARTIAL + final.name)

    def _custom_checkpoint_dirpath(self, name):
        final = super()._custom_checkpoint_dirpath(name)
        return final.with_name(PARTIAL + final.name)

    def _save_checkpoint_metafile(self, path, meta=None, end_of_epoch=True):
        meta = {"processes": num_processes(), **self.metadata, **(meta or {})}
        return super()._save_checkpoint_metafile(path, meta, end_of_epoch)
