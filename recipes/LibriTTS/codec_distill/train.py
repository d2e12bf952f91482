#!/usr/bin/env python3
"""Distill the decoder of a trained codec for decoding in few steps.

    python train.py hparams/train.yaml --source ../codec/results/gogo/proposed/1234/export \
        --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain.utils.distributed import run_on_main

from recipes.common.datasets import speech_datasets
from recipes.common.experiment import fit, log_clips, make_brain, start
from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.manifests.dataset import usable_clips
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading.export import save_weights
from speechbrain_gogo.inference.loading.few_steps import WEIGHTS, make_student


def add_student(hparams):
    """Make the student from the teacher; it becomes part of the checkpoints."""
    folder = Path(hparams["export_folder"])
    made = {"teacher": hparams["source"], "num_steps": hparams["steps"]}
    run_on_main(make_student, kwargs={"folder": folder, **made})
    student = GogoCodec.from_hparams(folder, run_opts={"device": "cpu"}).codec
    teacher = hparams["teacher"].codec.flow
    if hparams["guidance_scale"] is not None:
        teacher.guidance_scale = hparams["guidance_scale"]
    hparams["codec"], hparams["ema"] = student, hparams["ema"](student)
    hparams["modules"] = {"objective": hparams["objective"](student, teacher)}
    for name in ("codec", "ema"):
        hparams["checkpointer"].add_recoverable(name, hparams[name])


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    sample_rate = hparams["teacher"].sample_rate
    datasets, loaders, reports = speech_datasets(hparams, sample_rate)
    hparams["sample_clips"] = list(
        usable_clips(datasets["valid"], hparams["num_samples"])
    )
    add_student(hparams)
    brain = make_brain(CodecBrain, hparams, run_opts)
    fit(brain, datasets, loaders)
    log_clips(brain, **reports)
    weights = Path(hparams["export_folder"]) / WEIGHTS
    run_on_main(save_weights, args=[hparams["ema"].module, weights])
    print(f"The codec is in {hparams['export_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
