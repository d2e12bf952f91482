#!/usr/bin/env bash
# torch-pesq 0.1.2 (PyPI; torch 2.14.1, torchaudio 2.11.1)
#
# The loss of a clip that ends in digital silence, as a clip of a padded batch does, is
# finite, but its whole gradient is NaN: 0.5 s of zeros in both signals is enough. The
# filters for level and pre-emphasis are recursive, so their output does not become zero
# in the silence, but decays until it is denormal in float32, and the gradient of the
# magnitude of such complex numbers is NaN. With a noise of -140 dB on both signals the
# loss is the same and the gradient finite. A training that skips updates whose gradient
# is not finite never learns from such batches.
#
# Seen with Python 3.11 on Linux x86_64, on the CPU. Exits with 1 if this is no longer what
# happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet torch-pesq==0.1.2 torch==2.14.1 torchaudio==2.11.1 \
    numpy==2.2.6 scipy==1.15.3
cat > seen.py <<'PY'
from importlib.metadata import version

import torch
from torch_pesq import PesqLoss

print(*(f"{name} {version(name)}" for name in ("torch-pesq", "torch", "torchaudio")))
torch.manual_seed(0)
time = torch.arange(16000) / 16000
speech = sum(torch.sin(2 * torch.pi * 150 * k * time) / k for k in range(1, 30))
speech = 0.1 * speech * (1 + torch.sin(2 * torch.pi * 4 * time))
noisy = speech + 0.01 * torch.randn(16000)
measure = PesqLoss(1.0, sample_rate=16000)


def try_silence(seconds, dither=0.0):
    """Loss, and share of the gradient that is NaN."""
    silence = torch.zeros(round(16000 * seconds))
    wanted, heard = (
        torch.cat([wav, silence])[None] for wav in (speech, noisy)
    )
    noise = dither * torch.randn(wanted.shape)
    heard = (heard + noise).requires_grad_()
    loss = measure(wanted + noise, heard).sum()
    loss.backward()
    return float(loss.detach()), float(heard.grad.isnan().double().mean())


results = {
    "no silence": try_silence(0),
    "0.5 s": try_silence(0.5),
    "1 s": try_silence(1),
    "2 s": try_silence(2),
    "2 s, noise of -140 dB": try_silence(2, 1e-7),
}
for name, (loss, share) in results.items():
    print(f"{name}: loss {loss:.3f}, {100 * share:.0f} % of the gradient is NaN")
silent = [results[name] for name in ("0.5 s", "1 s", "2 s")]
as_seen = all(0 < loss < 5 and share == 1 for loss, share in silent)
as_seen &= results["no silence"][1] == results["2 s, noise of -140 dB"][1] == 0
raise SystemExit(0 if as_seen else 1)
PY
env/bin/python seen.py
