#!/usr/bin/env python3
"""Train the token allocator on LibriTTS, or on any SpeechBrain CSV manifest.

    python train.py hparams/mini.yaml --data_folder /path/to/LibriTTS

The README beside this file tells more.
"""

import logging
import sys

import speechbrain as sb
from ablation import parse_arguments
from allocator_experiment import export_best
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import run_on_main

from speechbrain_gogo.brains.allocator import AllocatorBrain
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.manifests.reading import (
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
        logger.info("%s: %s", ", ".join(map(str, paths)), reports[stage])
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
    hparams_file, run_opts, overrides = parse_arguments(arguments)
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file) as stream:
        hparams = load_hyperpyyaml(stream, overrides)
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"],
        hyperparams_to_save=hparams_file,
        overrides=overrides,
    )
    if not hparams["skip_prep"]:
        from libritts_manifests import prepare_manifests

        run_on_main(prepare_manifests, kwargs={"hparams": hparams})
    datasets, loaders, reports = dataio_prepare(hparams)

    brain = AllocatorBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    if scored := hparams.get("scored"):  # no clip is decoded in training
        known = hparams["reward"].distance_fingerprint
        groups = hparams["replay_buffer"].recall(scored, known)
        updates = groups // max(1, hparams["replay_groups"])  # of all ranks
        datasets["train"], loaders["train"] = range(max(1, updates)), {}
    brain.fit(
        hparams["epoch_counter"],
        datasets["train"],
        datasets["valid"],
        train_loader_kwargs=loaders["train"],
        valid_loader_kwargs=loaders["valid"],
    )
    report, broken = reports["train"], brain.skipped_clips()
    report["used"] -= broken.total()
    report.update(broken)
    if scored:
        report = f"{groups} groups that {scored} has scored"
    hparams["train_logger"].log_stats({"training data": str(report)})
    export_best(brain, hparams)


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
