#!/usr/bin/env python3
"""Train SoCodec's language model on LibriTTS, or on any CSV manifest.

    python train.py hparams/mini.yaml --data_folder /path/to/LibriTTS \
        --codec_source /path/to/socodec

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.experiment import start
from recipes.common.training.codec_lm import train_codec_lm
from speechbrain_gogo.brains.process_group import leave_process_group

if __name__ == "__main__":
    train_codec_lm(*start(__file__, sys.argv[1:]))
    leave_process_group()
