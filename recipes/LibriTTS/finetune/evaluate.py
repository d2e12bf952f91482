#!/usr/bin/env python3
"""Texts of one voice, spoken before and after its fine-tuning, and judged.

    python evaluate.py hparams/evaluate.yaml --data_folder /path/to/recordings \
        --test_csv test.csv --models "{before: gogo-mini, after: FOLDER}"

Every text of a manifest is spoken in the voice of another clip of it. A killed
run goes on where it was. The README beside this file tells more.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.evaluation.zero_shot import speak_and_judge

if __name__ == "__main__":
    speak_and_judge(sys.argv[1:])
