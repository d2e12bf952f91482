#!/usr/bin/env python3
"""Train a stage of GogoSpeech on tokenised corpora.

    python train.py hparams/mini_stage1.yaml --train_tokens tokens/train \
        --valid_tokens tokens/valid

See the README in this folder, also for how to make tokens.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.experiment import start
from recipes.common.training.speech_lm import train_stage
from speechbrain_gogo.brains.process_group import leave_process_group

if __name__ == "__main__":
    train_stage(*start(__file__, sys.argv[1:]))
    leave_process_group()
