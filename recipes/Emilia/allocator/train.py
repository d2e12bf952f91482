#!/usr/bin/env python3
"""Train the token allocator on the tar shards of Emilia, as in the paper.

    python train.py hparams/train.yaml --source CODEC \
        --data_folder /path/to/Emilia \
        --valid_shards /path/to/Emilia/EN/EN-B000000.tar

The experiment is that of recipes/LibriTTS/allocator; only the data differs. The
README beside this file tells more.
"""

import sys
from collections import Counter

import speechbrain as sb
from ablation import parse_arguments
from allocator_experiment import export_best
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo.brains.allocator import AllocatorBrain
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.shards.batching import worker_settings
from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.loader import ShardLoader
from speechbrain_gogo.dataio.shards.tars import find_splits


class EmiliaBrain(AllocatorBrain):
    """The same training; what it skips, the loader of the shards counts."""

    def skipped_clips(self):
        """Clips skipped so far, by reason, on all ranks."""
        return Counter(self.hparams.train_loader.total_report().skipped)


def dataio_prepare(hparams):
    """Loaders of training and validation batches, of different shards."""
    settings = {
        **hparams["clips"],
        "sample_rate": hparams["codec"].sample_rate,
    }
    shards = find_splits(hparams["train_shards"], hparams["valid_shards"])
    train = EmiliaShards(shards["train"], **settings)
    valid = EmiliaShards(
        shards["valid"], **settings, training=False, split_batches=True
    )
    num_workers = hparams["num_workers"]
    ready = hparams["prefetch_batches"], hparams["pin_memory"]
    return {
        "train": ShardLoader(
            train,
            hparams["epoch_batches"],
            hparams["resume_data"],
            **worker_settings(num_workers, *ready),
        ),
        "valid": ShardLoader(
            valid,
            hparams["valid_batches"],
            **worker_settings(min(1, num_workers), *ready),
        ),
    }


def main(arguments):
    """Run the experiment."""
    hparams_file, run_opts, overrides = parse_arguments(arguments)
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file) as stream:
        hparams = load_hyperpyyaml(stream, overrides)
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"],
        hyperparams_to_save=hparams_file,
        overrides=overrides,
    )
    loaders = dataio_prepare(hparams)
    hparams["train_loader"] = loaders["train"]
    # The host registers its own loaders; the name makes it resume with them.
    hparams["checkpointer"].add_recoverable(
        "dataloader-TRAIN", loaders["train"]
    )

    brain = EmiliaBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    brain.fit(hparams["epoch_counter"], loaders["train"], loaders["valid"])

    report = loaders["train"].total_report()
    hparams["train_logger"].log_stats({"training data": str(report)})
    export_best(brain, hparams)


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
