#!/usr/bin/env python3
"""Encode LibriTTS, or any SpeechBrain CSV manifest, into shards of tokens.

    python tokenize_corpus.py hparams/tokenize.yaml --data_folder /path/to/LibriTTS

Run it again after a stop: finished shards stay. See the README in
this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain.utils.distributed import infer_device

from recipes.common.experiment import start
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.inference import open_codec
from speechbrain_gogo.inference.files.tokenizing import tokenize_corpus


def tokenize_splits(hparams, device):
    """Encode the manifests of training and validation."""
    codec = open_codec(
        hparams["codec"],
        run_opts={"device": device},
        trust_source=hparams["trust_codec"],
    )
    for stage in ("train", "valid"):
        source = ManifestShards(
            hparams[f"{stage}_csv"],
            hparams["data_folder"],
            sample_rate=codec.sample_rate,
            **hparams["clips"],
        )
        report = tokenize_corpus(
            codec,
            source,
            f"{hparams['output_folder']}/{stage}",
            num_workers=hparams["num_workers"],
            normalize=hparams["front_end"],
        )
        print(f"{stage}: {report or 'other processes are still at work'}")


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    leave_process_group()  # from here on each works alone
    tokenize_splits(hparams, run_opts["device"] or infer_device())


if __name__ == "__main__":
    main(sys.argv[1:])
