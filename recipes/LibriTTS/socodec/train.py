#!/usr/bin/env python3
"""Train SoCodec on LibriTTS, or on any SpeechBrain CSV manifest.

    python train.py hparams/train.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.experiment import start
from recipes.common.training.adversarial_codec import train_socodec
from speechbrain_gogo.brains.process_group import leave_process_group

if __name__ == "__main__":
    train_socodec(*start(__file__, sys.argv[1:]))
    leave_process_group()
