"""Epochs, ranks and exact resuming for a stream of shards.

SpeechBrain's Brain saves the position of a loader only for datasets with an
index, and distributed training stalls if ranks have unequal numbers of batches.
This loader divides an endless stream into nominal epochs with the same number of
batches on every rank, and its checkpoint resumes the stream of each rank at the
next batch. ``emilia.py`` defines the stream.
"""

import functools
import json

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger
from torch.utils.data import DataLoader
from webdataset.utils import pytorch_worker_info

from speechbrain_gogo.dataio.ranks import of_all_ranks
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.tars import check_split

logger = get_logger(__name__)


def _unchanged(item):
    """The collate function: the dataset yields batches already."""
    return item


# All ranks save, since each has its own position.
@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class ShardLoader(DataLoader):
    """Yields the batches of :class:`EmiliaShards` in nominal epochs.

    Add it to the checkpointer under a name that contains "dataloader". The
    order continues exactly, within an epoch and at its end, with the same
    shards, settings, ranks and workers. Otherwise iterating raises an error,
    unless ``resume_data`` is "restart". ``report`` counts the clips read for the
    batches that were yielded.

    Arguments
    ---------
    dataset : EmiliaShards
        In training its stream continues from epoch to epoch; else every epoch
        is one pass over it.
    epoch_batches : int
        Batches per epoch and rank; of all ranks together if the dataset
        distributes batches over them.
    resume_data : str
        Effect of a checkpoint: "exact" continues the order; "restart" begins the
        next pass over the shards, also with other shards, ranks or workers, and
        keeps only the counts.
    **loader_kwargs
        ``num_workers``, ``pin_memory`` and the like.

    Raises
    ------
    ValueError
        If there are fewer shards than ranks x workers, or no such
        ``resume_data``; on iterating, if a checkpoint of another order was
        loaded or no clip is usable.
    """

    def __init__(
        self, dataset, epoch_batches, resume_data="exact", **loader_kwargs
    ):
        if resume_data not in ("exact", "restart"):
            raise ValueError(
                f"resume_data='{resume_data}': use 'exact' or 'restart'."
            )
        check_split(
            dataset.shards,
            loader_kwargs.get("num_workers", 0),
            over_ranks=dataset.training,
        )
        super().__init__(
            dataset,
            batch_size=None,
            collate_fn=_unchanged,
            generator=torch.Generator(),  # leaves the global one alone
            **loader_kwargs,
        )
        self.epoch_batches = epoch_batches
        if dataset.split_batches:
            rank, ranks, *_ = pytorch_worker_info()
            self.epoch_batches = len(range(rank, epoch_batches, ranks))
        self.resume_data = resume_data
        self.report = ClipReport()
        self.step = 0  # batches of this epoch that were yielded
        self.stream = None
        self.items = 0  # received from the stream; workers take turns
        self.positions = [(0, 0, 0)] * max(1, self.num_workers)
        self.recovered = False
        self.refusal = None  # why a checkpoint cannot be continued

    def __len__(self):
        """Batches per epoch, of this rank."""
        return self.epoch_batches

    def __iter__(self):
        """Yield the (rest of the) batches of one epoch."""
        if self.refusal is not None:
            raise ValueError(self.refusal)
        if self.stream is None or not self.dataset.training:
            self.stream = super().__iter__()
        self.step = self.step if self.recovered else 0
        self.recovered = False
        while self.step < self.epoch_batches:
            item = next(self.stream, None)
            if item is None:
                return
            self.items += 1
            self.positions[item.worker] = item.position
            self.report.update(item.report)
            if item.batch is not None:
                self.step += 1
                yield item.batch

    def total_report(self):
        """The reports of all ranks together; all of them have to call it."""
        return sum(of_all_ranks(self.report), ClipReport())

    @property
    def identity(self):
        """Everything that must be unchanged to resume a checkpoint."""
        return {
            "ranks": pytorch_worker_info()[1],
            "workers per rank": len(self.positions),
            **self.dataset.settings,
        }

    @mark_as_saver
    def save(self, path):
        """Save the position of each rank; runs on all of them."""
        state = {
            "step": self.step,
            "turn": self.items % len(self.positions),
            "positions": self.positions,
            "report": self.report,
        }
        states = of_all_ranks(state)
        if if_main_process():
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"identity": self.identity, "ranks": states}, file)
            reports = (state["report"] for state in states)
            logger.info(f"Training data: {sum(reports, ClipReport())}")

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Restore this rank's position, unless the stream has started."""
        if self.stream is not None:
            return  # a checkpoint loaded for evaluation
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
        changes = [
            f"{key}: {saved['identity'].get(key)} then, {value} now"
            for key, value in self.identity.items()
            if saved["identity"].get(key) != value
        ]
        if self.resume_data == "restart":
            self._restart(saved["ranks"], end_of_epoch)
        elif changes:
            self.refusal = (
                f"Training cannot continue its order of clips from {path}, "
                f"because these changed: {'; '.join(changes)}. Start it as "
                "before, or give --resume_data restart to begin a new pass "
                "over the shards."
            )
        else:
            state = saved["ranks"][pytorch_worker_info()[0]]
            self.report = ClipReport(state["report"])
            positions = [tuple(p) for p in state["positions"]]
            self._continue(state, positions, state["turn"], end_of_epoch)

    def _continue(self, state, positions, turn, end_of_epoch):
        """Resume at positions, in the same epoch or at the start of the next."""
        self.step = 0 if end_of_epoch else state["step"]
        self.recovered = not end_of_epoch
        self.positions = positions
        self.dataset.resume(positions, turn)

    def _restart(self, states, end_of_epoch):
        """Begin a pass that no rank has begun; the first rank keeps the counts."""
        passes = [place[0] for state in states for place in state["positions"]]
        if pytorch_worker_info()[0] == 0:
            reports = (ClipReport(state["report"]) for state in states)
            self.report = sum(reports, ClipReport())
        start = (max(passes) + 1, 0, 0)
        positions = [start] * len(self.positions)
        self._continue(states[0], positions, 0, end_of_epoch)
