#!/usr/bin/env python
"""Recipe: train a Vocos vocoder on LibriTTS or any manifest of speech.

To run it:
> python train.py hparams/train.yaml --data_folder /path/to/LibriTTS
> python train.py hparams/mini.yaml --data_folder /path/to/speech \
    --train_csv train.csv --valid_csv valid.csv --skip_prep True

The vocoder is in speechbrain_gogo/lobes/vocoder/vocoders.py, the training loop
in speechbrain_gogo/brains/vocoder.py; this file prepares the data.
"""

import random
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from speechbrain.utils.distributed import run_on_main

from recipes.common.datasets import manifest_datasets
from recipes.common.experiment import fit, log_clips, make_brain, start
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.brains.vocoder import VocoderBrain
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.vocoder.coded_mel import CodedMel
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder

MEL_SETTINGS = "sample_rate", "n_fft", "hop_length", "n_mels"
VOCODER_SETTINGS = (
    *("n_mels", "dim", "intermediate_dim", "num_layers"),
    *("n_fft", "hop_length"),
)


def dataio_prepare(hparams):
    """Datasets of crops, and reports of skipped clips, by stage.

    Crops are random and equally long to train, a clip's beginning to validate.
    Start and level of a crop depend only on seed, epoch and utterance, not on
    workers or on a resumed run.
    """

    def whole_hops(seconds):
        hop = hparams["hop_length"]
        return round(seconds * hparams["sample_rate"] / hop) * hop

    crop_samples = whole_hops(hparams["crop_seconds"])
    valid_samples = whole_hops(hparams["valid_seconds"])

    def random_crop(key, sig):
        if isinstance(sig, AudioError):
            return sig  # the collate function drops and counts it
        epoch = hparams["epoch_counter"].current
        draw = random.Random(f"{hparams['seed']} {epoch} {key}")
        gain = 10 ** (draw.uniform(-hparams["gain_db"], 0) / 20)
        start = int(draw.random() * max(0, len(sig) - crop_samples + 1))
        crop = gain * sig[start : start + crop_samples]
        return torch.nn.functional.pad(crop, (0, crop_samples - len(crop)))

    def first_crop(key, sig):
        return sig if isinstance(sig, AudioError) else sig[:valid_samples]

    datasets, reports = manifest_datasets(hparams, hparams["sample_rate"])
    for stage, crop in {"train": random_crop, "valid": first_crop}.items():
        dataset = datasets[stage]
        dataset.add_dynamic_item(crop, takes=["id", "sig"], provides="crop")
        dataset.set_output_keys({"id": "id", "sig": "crop"})
    return datasets, reports


def check_same(name, found, wanted, settings):
    """Raise a ValueError if an object has other settings than it has to have."""
    found, wanted = (
        {key: getattr(each, key, None) for key in settings}
        for each in (found, wanted)
    )
    if found != wanted:
        raise ValueError(
            f"{name} has {found}, this training {wanted}: give the same."
        )


def start_weights(source, interface, vocoder):
    """Weights of an exported vocoder, or of the vocoder of ``coded_by``.

    Raises a ValueError if it has other sizes than ``vocoder``.
    """
    if source != "coded_by":
        start = VocosVocoder.from_source(source)
    elif interface is not None:
        start = interface.vocoder
    else:
        raise ValueError(
            "start_from: coded_by is the vocoder of a codec, and coded_by "
            "is null: give that codec."
        )
    check_same(f"start_from: {source}", start, vocoder, VOCODER_SETTINGS)
    return start.state_dict()


def train(hparams, run_opts=None):
    """Train, then export the EMA weights; gives the Brain."""
    datasets, reports = dataio_prepare(hparams)
    interface = None
    if hparams["coded_by"] is not None:
        interface = GogoCodec.from_hparams(hparams["coded_by"])
        mel, name = interface.codec.mel, f"coded_by: {hparams['coded_by']}"
        check_same(name, mel, hparams["mel"], MEL_SETTINGS)
        hparams["mel"] = CodedMel(
            interface.codec, hparams["coded_keeps"], hparams["coded_share"]
        )
    modules = dict(hparams["modules"])
    if hparams["num_steps"] > hparams["adversarial_start"]:
        for name, build in hparams["discriminators"].items():
            if build is not None:
                modules[name] = build()
    if hparams["start_from"] is not None:
        weights = start_weights(
            hparams["start_from"], interface, hparams["vocoder"]
        )
        hparams["vocoder"].load_state_dict(weights)
        hparams["ema"].module.load_state_dict(weights)
    brain = make_brain(VocoderBrain, hparams, run_opts, modules)
    loaders = {
        "train": hparams["train_loader_kwargs"],
        "valid": hparams["valid_loader_kwargs"],
    }
    fit(brain, datasets, loaders)
    log_clips(brain, **reports)
    run_on_main(brain.export, args=[hparams["export_folder"]])
    return brain


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    train(hparams, run_opts)
    print(f"Results are in {hparams['output_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
