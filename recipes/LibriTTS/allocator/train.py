#!/usr/bin/env python3
"""Train the token allocator on LibriTTS, or on any SpeechBrain CSV manifest.

    python train.py hparams/mini.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.datasets import speech_datasets
from recipes.common.experiment import fit, log_clips, make_brain, start
from recipes.common.training.allocator import export_best
from speechbrain_gogo.brains.allocator import AllocatorBrain
from speechbrain_gogo.brains.process_group import leave_process_group


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    sample_rate = hparams["codec"].sample_rate
    datasets, loaders, reports = speech_datasets(hparams, sample_rate)

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
