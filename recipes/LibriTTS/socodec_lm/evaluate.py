#!/usr/bin/env python3
"""Evaluate zero-shot speech of SoCodec's language models (Section 5.3, Figure 6).

    python evaluate.py hparams/evaluate.yaml --data_folder /path/to/speech \
        --test_csv test.csv --models "{d0: FOLDER, d1: FOLDER, d2: FOLDER}"

Every text of a manifest is synthesized in the voice of another clip of it. A
killed run resumes. See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from recipes.common.evaluation.zero_shot import speak_and_judge

if __name__ == "__main__":
    speak_and_judge(sys.argv[1:])
