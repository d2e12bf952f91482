#!/usr/bin/env python3
"""Word errors and similarity of speech before and after fine-tuning.

    python evaluate.py hparams/evaluate.yaml --data_folder /path/to/recordings \
        --test_csv test.csv --models "{before: gogo-mini, after: FOLDER}"

Every text of a manifest is spoken with another of its clips as the prompt. After
an interruption, the same command continues. See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.evaluation.zero_shot import speak_and_judge

if __name__ == "__main__":
    speak_and_judge(sys.argv[1:])
