#!/usr/bin/env python3
"""Encode LibriTTS, or any SpeechBrain CSV manifest, into shards of tokens.

    python tokenize_corpus.py hparams/tokenize.yaml --data_folder /path/to/LibriTTS

Run it again after an interruption: finished shards are kept. See the README in
this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain.utils.distributed import infer_device

from recipes.common.experiment import start
from recipes.common.tokens import tokenize_splits
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.shards.manifests import ManifestShards


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    leave_process_group()  # the processes do not communicate any more

    def shards(stage, codec):
        copies = {}
        if stage == "train" and hparams["copies"]:
            copies["copies"] = hparams["copies"]
            copies["augmentation"] = hparams["augmentation"](
                codec.sample_rate, max_lead=codec.group_samples
            )
        return ManifestShards(
            hparams[f"{stage}_csv"],
            hparams["data_folder"],
            sample_rate=codec.sample_rate,
            **hparams["clips"],
            **copies,
        )

    tokenize_splits(hparams, run_opts["device"] or infer_device(), shards)


if __name__ == "__main__":
    main(sys.argv[1:])
