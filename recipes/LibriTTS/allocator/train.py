#!/usr/bin/env python3
"""Train the token allocator on LibriTTS, or on any SpeechBrain CSV manifest.

    python train.py hparams/mini.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import logging
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.allocator import export_best
from recipes.common.experiment import fit, log_clips, make_brain, start
from speechbrain_gogo.brains.allocator import AllocatorBrain
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.manifests.dataset import (
    check_usable,
    recipe_manifests,
    speech_dataset,
)
from speechbrain_gogo.dataio.shards.batching import (
    loader_settings,
    worker_settings,
)

logger = logging.getLogger(__name__)


def dataio_prepare(hparams):
    """Datasets, loader settings and reports of skipped clips, by stage."""
    datasets, loaders, reports = {}, {}, {}
    workers = worker_settings(
        hparams["num_workers"],
        hparams["prefetch_batches"],
        hparams["pin_memory"],
    )
    for stage, paths in recipe_manifests(hparams).items():
        datasets[stage], reports[stage] = speech_dataset(
            paths,
            sample_rate=hparams["codec"].sample_rate,
            min_seconds=hparams["min_seconds"],
            max_seconds=hparams["max_seconds"],
            cache_folder=hparams["cache_folder"],
        )
        name = ", ".join(map(str, paths))
        logger.info("%s: %s", name, reports[stage])
        check_usable(datasets[stage], name)
        training = stage == "train"
        key = "batch_seconds" if training else "valid_batch_seconds"
        loaders[stage] = loader_settings(
            datasets[stage],
            training,
            hparams[key],
            hparams["max_batch_clips"],
            hparams["num_buckets"],
            hparams["seed"],
            **workers,
        )
    return datasets, loaders, reports


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    datasets, loaders, reports = dataio_prepare(hparams)

    brain = make_brain(AllocatorBrain, hparams, run_opts)
    if scored := hparams.get("scored"):  # no clip is decoded in training
        known = hparams["reward"].distance_fingerprint
        groups = hparams["replay_buffer"].recall(scored, known)
        updates = groups // max(1, hparams["replay_groups"])  # of all ranks
        datasets["train"], loaders["train"] = range(max(1, updates)), {}
    fit(brain, datasets, loaders)
    if scored:
        reports.pop("train")  # none of its clips was read
        counts = {"groups that another run has scored": groups}
        hparams["train_logger"].log_stats(counts)
    log_clips(brain, **reports)
    export_best(brain, hparams)


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
