#!/usr/bin/env bash
# SpeechBrain 1.1.2 (PyPI; torch 2.14.1)
#
# Recurrent layers of speechbrain.nnet.RNN turn relative lengths into numbers of frames by
# multiplying and cutting off the fraction. 14 of 23 frames are the relative length
# 0.60869562 in float32, of which the product is 13.999999: the layer reads 13 frames, and
# its output at the last real one is zero. This happens to 3,403 of all 79,800 pairs of
# frames and padded frames below 400 (4 %). A bidirectional layer has other outputs at all
# frames then, so the result of an utterance depends on how long the others of its batch
# are. SpeechBrain's CTC loss rounds the same lengths, and reads the lost frame.
#
# Seen with Python 3.11 on Linux x86_64, on the CPU. Exits with 1 if this is no longer what
# happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet speechbrain==1.1.2 torch==2.14.1 torchaudio==2.11.1 numpy==2.2.6
cat > seen.py <<'PY'
from importlib.metadata import version

import torch
from speechbrain.dataio.dataio import length_to_mask
from speechbrain.nnet.RNN import LSTM

print("speechbrain", version("speechbrain"), "torch", torch.__version__)
torch.manual_seed(0)
lstm = LSTM(hidden_size=4, input_size=3, bidirectional=True).eval()
frames, padded = 14, 23
batch = torch.zeros(2, padded, 3)
batch[:] = torch.randn(padded, 3)
batch[1, frames:] = 0
lengths = torch.tensor([padded, frames]) / padded
with torch.no_grad():
    together = lstm(batch, lengths=lengths)[0][1]
    alone = lstm(batch[1:, :frames])[0][0]
read = int(together.abs().sum(1).count_nonzero())
counted = int((lengths * padded).round()[1])
mask = int(length_to_mask((lengths * padded).round()).sum(1)[1])
difference = float((together[:read] - alone[:read]).abs().max())
print(f"{frames} of {padded} frames: the layer reads {read}, rounding gives {counted}, mask {mask}")
print(f"largest difference to the utterance alone at the frames read: {difference:.3f}")
lost = pairs = 0
for total in range(1, 400):
    count = torch.arange(1, total + 1)
    lost += int(((count / total * total).long() < count).sum())
    pairs += total
print(f"pairs below 400 frames that lose one: {lost} of {pairs}")
as_seen = read == 13 and counted == mask == 14 and difference > 0.01
raise SystemExit(0 if as_seen and lost == 3403 else 1)
PY
env/bin/python seen.py
