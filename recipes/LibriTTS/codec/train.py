#!/usr/bin/env python3
"""Train the Gogo codec on LibriTTS, or on any SpeechBrain CSV manifest.

    python train.py hparams/train.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain.utils.distributed import run_on_main

from recipes.common.datasets import speech_datasets
from recipes.common.experiment import fit, log_clips, make_brain, start
from recipes.common.training.codec import initialize_codec, prepare_tokenizer
from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.manifests.dataset import (
    recipe_manifests,
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.inference.loading.export import export_run


def dataio_prepare(hparams):
    """Datasets, loader settings and reports of skipped clips, by stage."""
    sample_rate = hparams["model"]["sample_rate"]
    sentences, _ = speech_dataset(
        recipe_manifests(hparams)["train"],
        sample_rate=sample_rate,
        min_seconds=hparams["min_seconds"],
        max_seconds=hparams["max_seconds"],
    )
    texts = [row["wrd"] for row in sentences.data.values()]
    tokenizer = prepare_tokenizer(texts, hparams)
    datasets, loaders, reports = speech_datasets(
        hparams, sample_rate, tokenizer
    )
    if hparams["augmentation"] is not None:
        augment_clips(datasets["train"], hparams)
    return datasets, loaders, reports


def augment_clips(dataset, hparams):
    """Augment the clips of a dataset differently in every epoch."""

    def augment(key, sig):
        if isinstance(sig, AudioError):
            return sig  # the collate function drops and counts it
        epoch = hparams["epoch_counter"].current
        return hparams["augmentation"](sig, epoch, key)

    dataset.add_dynamic_item(augment, takes=["id", "sig"], provides="augmented")
    keys = {"id": "id", "sig": "augmented", "wrd": "wrd", "text": "text"}
    dataset.set_output_keys(keys)


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    datasets, loaders, reports = dataio_prepare(hparams)
    hparams["sample_clips"] = list(
        usable_clips(datasets["valid"], hparams["num_samples"])
    )
    hparams["codec"] = hparams["model"]["codec"]

    brain = make_brain(CodecBrain, hparams, run_opts)
    clips = usable_clips(
        datasets["train"], hparams["start_clips"], hparams["seed"]
    )
    initialize_codec(brain, hparams, clips)
    fit(brain, datasets, loaders)
    log_clips(brain, **reports)
    run_on_main(export_run, args=[hparams])
    print(f"The codec is in {hparams['export_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
