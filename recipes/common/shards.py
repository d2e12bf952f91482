"""Trainings on tar shards: their loaders, resuming and counts of clips."""

from collections import Counter

from speechbrain_gogo.brains.logs.loggers import log_report
from speechbrain_gogo.dataio.shards.batching import worker_settings
from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.loader import ShardLoader
from speechbrain_gogo.dataio.shards.tars import find_splits


def emilia_shards(hparams, sample_rate, start=False):
    """Clips of different shards of Emilia, by stage.

    With ``start`` also those for initialization: the first of the training
    shards, the same on every rank.
    """
    settings = {**hparams["clips"], "sample_rate": sample_rate}
    shards = find_splits(hparams["train_shards"], hparams["valid_shards"])
    train = EmiliaShards(shards["train"], **settings)
    settings["training"] = False
    valid = EmiliaShards(shards["valid"], **settings, split_batches=True)
    found = {"train": train, "valid": valid}
    if start:
        found["start"] = EmiliaShards(shards["train"], **settings)
    return found


def shard_loaders(hparams, train, valid):
    """ShardLoaders of training and validation batches, of EmiliaShards.

    The settings get ``train_loader``, which becomes part of the checkpoints;
    the Brain must not exist yet.
    """
    workers = hparams["num_workers"]
    ready = hparams["prefetch_batches"], hparams["pin_memory"]
    loaders = {
        "train": ShardLoader(
            train,
            hparams["epoch_batches"],
            hparams["resume_data"],
            **worker_settings(workers, *ready),
        ),
        "valid": ShardLoader(
            valid,
            hparams["valid_batches"],
            **worker_settings(min(1, workers), *ready),
        ),
    }
    hparams["train_loader"] = loaders["train"]
    # SpeechBrain's name of training loaders, which makes it resume with them.
    hparams["checkpointer"].add_recoverable(
        "dataloader-TRAIN", loaders["train"]
    )
    return loaders


class ShardMixin:
    """A Brain that trains on loaders of shards.

    The loaders count the skipped clips, and resume where a checkpoint is.
    """

    def count_clips(self, batch):
        """Do nothing: the clips of an endless stream are not recorded."""

    def skipped_clips(self):
        """Clips skipped so far, by reason, on all ranks."""
        return Counter(self.hparams.train_loader.total_report().skipped)

    def fit_shards(self, loaders):
        """Train on the ShardLoaders of "train" and "valid", and log counts."""
        self.fit(self.hparams.epoch_counter, loaders["train"], loaders["valid"])
        train_logger = self.hparams.train_logger
        log_report(train_logger, "validation data", self.valid_report)
        report = loaders["train"].total_report()
        log_report(train_logger, "training data", report)
