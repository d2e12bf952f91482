#!/usr/bin/env bash
# SpeechBrain 1.1.2 (PyPI; torch 2.14.1)
#
# speechbrain.nnet.losses.kldiv_loss with label smoothing:
# 1. reduction="mean" returns the sum over all frames of the batch (.sum().mean()). At
#    label_smoothing=0 the same call is nll_loss and returns the mean. Of 2 clips of 10
#    and 100 frames the loss of equal guesses among 8 classes is 2.08 without smoothing;
#    with a smoothing of 0.1 it is not near 1.56, the divergence of a frame, but 171.6.
# 2. length, "if frame-level loss is desired", masks nothing: frames past it count unless
#    their target is pad_idx (0 if not said), and real frames of class 0 never count. At
#    label_smoothing=0 it is the reverse: length decides, and class 0 is a class.
# 3. reduction="batch" divides by the relative length, not by frames: the loss of a clip
#    grows with the longest clip of its batch.
# To turn smoothing on is therefore also to change the scale of the loss, with each batch,
# and to leave a class out, and nothing tells.
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
import math
from importlib.metadata import version

import torch
from speechbrain.nnet.losses import kldiv_loss

print("speechbrain", version("speechbrain"), "torch", torch.__version__)
CLASSES, SMOOTHING = 8, 0.1
rest = SMOOTHING / (CLASSES - 1)
entropy = -(1 - SMOOTHING) * math.log(1 - SMOOTHING) - SMOOTHING * math.log(rest)
frame = math.log(CLASSES) - entropy  # divergence of a frame from equal guesses


def loss(targets, lengths, smoothing, reduction="mean"):
    """Loss of equal guesses among the classes."""
    guesses = torch.full((*targets.shape, CLASSES), -math.log(CLASSES))
    return kldiv_loss(
        guesses, targets, lengths, label_smoothing=smoothing, reduction=reduction
    )


def padded(frames, total, target=3, padding=0):
    """Targets of a batch of two clips, and the relative lengths."""
    targets = torch.full((2, total), target)
    targets[1, frames:] = padding
    return targets, torch.tensor([1.0, frames / total])


results, expected = {}, {}
batch = padded(10, 100)
results["mean, no smoothing"] = loss(*batch, 0)
expected["mean, no smoothing"] = math.log(CLASSES)
results["mean, smoothing"] = loss(*batch, SMOOTHING)
expected["mean, smoothing"] = 110 * frame
results["the same, padding of class 5"] = loss(*padded(10, 100, padding=5), SMOOTHING)
expected["the same, padding of class 5"] = 200 * frame
results["no smoothing, padding of class 5"] = loss(*padded(10, 100, padding=5), 0)
expected["no smoothing, padding of class 5"] = math.log(CLASSES)
results["smoothing, all targets 0"] = loss(*padded(10, 100, target=0), SMOOTHING)
expected["smoothing, all targets 0"] = 0
results["no smoothing, all targets 0"] = loss(*padded(10, 100, target=0), 0)
expected["no smoothing, all targets 0"] = math.log(CLASSES)
for total in (100, 200):
    name = f"batch, 10 of {total} frames"
    results[name] = loss(*padded(10, total), SMOOTHING, "batch")[1]
    expected[name] = total * frame
print(f"divergence of a frame: {frame:.2f}")
same = True
for name, value in results.items():
    print(f"{name}: {float(value):.2f}")
    same = same and math.isclose(value, expected[name], rel_tol=1e-4, abs_tol=1e-6)
raise SystemExit(0 if same else 1)
PY
env/bin/python seen.py
