#!/usr/bin/env bash
# transformers 5.24.0 beside encodec 0.1.1 (PyPI; torch 2.14.1)
#
# EnCodec at 48 kHz encodes seconds, each divided by its loudness. The last one of a clip is
# short. In encodec it is encoded as it is. The feature extractor of transformers fills it
# up with zeros, and EncodecModel takes the loudness over these too, although padding_mask
# is there "to avoid computing scaling factors on padding token indices" and "should always
# be passed". A tone of 1.25 s and constant level has the loudness 0.0707 in both seconds by
# encodec, but 0.0707 and 0.0361 by transformers: the second is encoded twice as loud, and
# 86 % of its tokens are others than without the padding. The padding also ends in 480
# samples that are taken as one more second, with the scale 1e-8: the clip has 150, 150 and
# 2 frames of tokens where encodec has 150 and 39. The decoded audio is cut to the padded
# length, which hides this.
#
# Seen with Python 3.11 on Linux x86_64, on the CPU, with random weights. Exits with 1 if
# this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet transformers==5.24.0 encodec==0.1.1 torch==2.14.1 \
    torchaudio==2.11.1 numpy==2.4.6
cat > seen.py <<'PY'
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import encodec
import torch
from transformers import EncodecConfig, EncodecFeatureExtractor, EncodecModel

print(*(f"{name} {version(name)}" for name in ("transformers", "encodec", "torch")))
torch.manual_seed(0)
torch.set_grad_enabled(False)
layout = {"sampling_rate": 48000, "chunk_length_s": 1.0, "overlap": 0.01}
config = EncodecConfig(
    audio_channels=2,
    normalize=True,
    use_causal_conv=False,
    norm_type="time_group_norm",
    target_bandwidths=[3.0],
    num_filters=4,
    hidden_size=32,
    codebook_dim=32,
    codebook_size=64,
    num_lstm_layers=1,
    **layout,
)
model = EncodecModel(config).eval()
for module in model.modules():
    if isinstance(getattr(module, "embed", None), torch.Tensor):
        module.embed.normal_()
extractor = EncodecFeatureExtractor(feature_size=2, **layout)
original = encodec.EncodecModel.encodec_model_48khz(pretrained=False).eval()


def short(values):
    return [round(float(value), 9) for value in values]


time = torch.arange(60000) / 48000
wav = 0.1 * torch.sin(2 * torch.pi * 200 * time).expand(2, -1)
parts = original.encode(wav[None])
frames = [codes.shape[-1] for codes, _ in parts]
print("encodec:", frames, "frames, scales", short(scale for _, scale in parts))
inputs = extractor(wav.numpy(), sampling_rate=48000, return_tensors="pt")
padded = model.encode(inputs["input_values"], inputs["padding_mask"])
bare = model.encode(wav[None])
for name, found in (("padded by the extractor", padded), ("not padded", bare)):
    shape, scales = list(found.audio_codes.shape), short(found.audio_scales)
    print(f"transformers, {name}: codes {shape}, scales {scales}")
loudness = wav[0, 47520:].square().mean().sqrt()
print(f"loudness of the samples of the second: {loudness:.4f}")
kept = frames[1]
other = padded.audio_codes[1, ..., :kept] != bare.audio_codes[1, ..., :kept]
print(f"tokens that differ in its {kept} frames: {other.float().mean():.0%}")


def near(values, wanted):
    values = torch.tensor([float(value) for value in values])
    return torch.allclose(values, torch.tensor(wanted), rtol=0.01, atol=1e-7)


same = frames == [150, 39] and padded.audio_codes.shape[::3] == (3, 150)
same = same and near([scale for _, scale in parts], [0.0707, 0.0707])
same = same and near(padded.audio_scales, [0.0707, 0.0361, 1e-8])
same = same and near(bare.audio_scales, [0.0707, 0.0707]) and abs(loudness - 0.0707) < 1e-3
raise SystemExit(0 if same and other.float().mean() > 0.5 else 1)
PY
env/bin/python seen.py
