#!/usr/bin/env python3
"""Encode the tar shards of Emilia into shards of tokens.

    torchrun --nproc_per_node=8 tokenize_corpus.py hparams/tokenize.yaml \
        --data_folder /path/to/Emilia --codec CODEC \
        --valid_shards /path/to/Emilia/EN/EN-B000000.tar

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
from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.tars import find_splits


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    leave_process_group()  # the processes do not communicate any more
    splits = find_splits(hparams["train_shards"], hparams["valid_shards"])

    def shards(stage, codec):
        return EmiliaShards(
            splits[stage],
            sample_rate=codec.sample_rate,
            training=False,
            **hparams["clips"],
        )

    tokenize_splits(hparams, run_opts["device"] or infer_device(), shards)


if __name__ == "__main__":
    main(sys.argv[1:])
