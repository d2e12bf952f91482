#!/usr/bin/env python3
"""Train the token allocator on the tar shards of Emilia, as in the paper.

    python train.py hparams/train.yaml --source CODEC \
        --data_folder /path/to/Emilia \
        --valid_shards /path/to/Emilia/EN/EN-B000000.tar

The experiment is that of recipes/LibriTTS/allocator; only the data differs. See
the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.experiment import make_brain, start
from recipes.common.shards import ShardMixin, emilia_shards, shard_loaders
from recipes.common.training.allocator import export_best
from speechbrain_gogo.brains.allocator import AllocatorBrain
from speechbrain_gogo.brains.process_group import leave_process_group


class EmiliaBrain(ShardMixin, AllocatorBrain):
    """The allocator Brain on loaders of shards."""


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    shards = emilia_shards(hparams, hparams["codec"].sample_rate)
    loaders = shard_loaders(hparams, shards["train"], shards["valid"])

    brain = make_brain(EmiliaBrain, hparams, run_opts)
    brain.fit_shards(loaders)
    export_best(brain, hparams)


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
