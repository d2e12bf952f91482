#!/usr/bin/env bash
# torchaudio 2.11.1 (with torch 2.14.1, PyPI)
#
# functional.resample computes the number of samples of its result as a float32. Of long
# recordings it therefore returns fewer than ceil(length * new / old): 30,000,001 samples at
# 16 kHz (31 minutes) become 45,000,000 at 24 kHz, not 45,000,002, and 220,517 samples at
# 11,025 Hz (20 seconds) lack their last sample. Resampled in blocks that are concatenated, the
# same recording has all of them, so the two ways differ in length. Nothing is said.
#
# Seen with Python 3.11 on Linux x86_64, on the CPU. Exits with 1 if this is no longer what
# happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet torch==2.14.1 torchaudio==2.11.1 numpy==2.2.6
cat > seen.py <<'PY'
import torch
import torchaudio
from torchaudio.functional import resample

print("torch", torch.__version__, "torchaudio", torchaudio.__version__)


def resampled(length, old, new):
    """Number of samples of the result."""
    wav = torch.zeros(1, length)
    return resample(wav, old, new, lowpass_filter_width=2).shape[1]


missing = {}
for length, old, new in [
    (220_500, 11_025, 24_000),
    (220_517, 11_025, 24_000),
    (600_001, 16_000, 24_000),
    (30_000_001, 16_000, 24_000),
]:
    expected = -(-length * new // old)
    found = resampled(length, old, new)
    missing[length] = expected - found
    print(f"{length} at {old} Hz -> {found} at {new} Hz, ceil is {expected}")
first, second = 20_000_000, 10_000_001
pieces = resampled(first, 16_000, 24_000) + resampled(second, 16_000, 24_000)
print(f"{first} and {second} one by one: {pieces}")
as_seen = list(missing.values()) == [0, 1, 0, 2] and pieces == 45_000_002
raise SystemExit(0 if as_seen else 1)
PY
env/bin/python seen.py
