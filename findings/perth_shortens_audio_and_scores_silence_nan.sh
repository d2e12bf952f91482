#!/usr/bin/env bash
# resemble-perth 1.0.1 (watermark of synthetic speech, used by Chatterbox; PyPI)
#
# 1. The watermarked audio is up to 10 ms shorter than what was given: its last samples
#    are missing unless they fill a frame of 320 at 32 kHz. Audio and labels, or a sum
#    with the original, no longer fit, and a stream that is watermarked piece by piece
#    loses samples at every piece.
# 2. For digital silence the detector returns NaN, also where it rounds its result to 0
#    or 1. "score > 0.5" says that there is no watermark, "not score < 0.5" that there
#    is one, and a mean over files with one silent file is NaN.
#
# Seen with Python 3.11 on Linux x86_64. Exits with 1 if this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet resemble-perth==1.0.1 torch==2.14.1 librosa==0.11.0 \
    torchaudio==2.11.1 numpy==2.4.6 pyyaml==6.0.4 setuptools==80.9.0
cat > seen.py <<'PY'
import math
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import numpy as np
import perth

print("resemble-perth", version("resemble-perth"), "torch", version("torch"))
perth = perth.PerthImplicitWatermarker()
generator, lengths = np.random.default_rng(0), {}
for rate, samples in ((32000, 32319), (24000, 24319), (16000, 31999)):
    noise = (0.05 * generator.standard_normal(samples)).astype(np.float32)
    marked = perth.apply_watermark(noise, sample_rate=rate)
    lengths[samples] = len(marked)
    print(f"{rate} Hz: given {samples} samples, returned {len(marked)}")
score = perth.get_watermark(np.zeros(32000, np.float32), sample_rate=32000)
print("digital silence:", score)
same = lengths == {32319: 32000, 24319: 24240, 31999: 31840}
raise SystemExit(0 if same and math.isnan(score) else 1)
PY
env/bin/python seen.py
