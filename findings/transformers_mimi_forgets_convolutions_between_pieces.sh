#!/usr/bin/env bash
# transformers 5.24.0 (PyPI; torch 2.14.1)
#
# MimiModel.decode takes and returns decoder_cache, with which, so its documentation, only
# the last audio_codes need to be given. The cache has the attention's past alone: the
# upsampling and the convolutions after it begin anew at each piece. All of the first five
# frames (0.4 s) of a piece are other audio than those of the codes decoded at once; the
# rest of it is equal. Decoding pieces of five frames, as speech that is still being
# generated, hence gives audio of which only the first piece is right. With these weights,
# pieces without the cache are no worse. Seven frames of past codes before a piece, whose
# audio is dropped, give the right audio. Encoding has a padding_cache in addition and is
# exact in pieces.
#
# Seen with Python 3.11 on Linux x86_64, on the CPU, with random weights. Exits with 1 if
# this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet transformers==5.24.0 torch==2.14.1 numpy==2.4.6
cat > seen.py <<'PY'
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import torch
from transformers import MimiConfig, MimiModel

print(*(f"{name} {version(name)}" for name in ("transformers", "torch")))
torch.manual_seed(0)
torch.set_grad_enabled(False)
FRAME, FRAMES, PIECE, PAST = 1920, 20, 10, 7
config = MimiConfig(
    hidden_size=64,
    upsample_groups=64,
    num_filters=4,
    num_hidden_layers=1,
    intermediate_size=64,
    num_attention_heads=2,
    num_key_value_heads=2,
    head_dim=32,
    codebook_size=64,
    codebook_dim=32,
    vector_quantization_hidden_dimension=32,
    num_quantizers=4,
)
model = MimiModel(config).eval()
for module in model.modules():
    if hasattr(module, "embed_sum"):
        module.embed_sum.normal_()
        module.cluster_usage.fill_(1.0)
wav = 0.1 * torch.randn(1, 1, FRAMES * FRAME)
codes = model.encode(wav).audio_codes
whole = model.decode(codes).audio_values


def errors(pieces):
    """Largest error of each frame, in standard deviations of the audio."""
    error = (torch.cat(pieces, -1) - whole).abs() / whole.std()
    return error.view(FRAMES, FRAME).amax(1)


def decode_pieces(**options):
    cache, pieces = None, []
    for piece in codes.split(PIECE, -1):
        found = model.decode(piece, decoder_cache=cache, **options)
        cache = found.decoder_cache
        pieces.append(found.audio_values)
    return errors(pieces), cache


def decode_with_past():
    pieces = []
    for start in range(0, FRAMES, PIECE):
        past = min(start, PAST)
        piece = codes[..., start - past : start + PIECE]
        pieces.append(model.decode(piece).audio_values[..., past * FRAME :])
    return errors(pieces)


def encode_pieces():
    cache = padding = None
    pieces = []
    for piece in wav.split(PIECE * FRAME, -1):
        found = model.encode(
            piece, encoder_cache=cache, padding_cache=padding, use_streaming=True
        )
        cache, padding = found.encoder_cache, found.padding_cache
        pieces.append(found.audio_codes)
    return torch.cat(pieces, -1)


cached, cache = decode_pieces(use_cache=True)
alone, _ = decode_pieces()
overlapped = decode_with_past()
exact = torch.equal(encode_pieces(), codes)
print("cache:", type(cache).__name__)
for name, error in (("with cache", cached), ("without", alone), ("with past codes", overlapped)):
    print(f"{name}: errors of the second piece", [round(float(e), 3) for e in error[PIECE:]])
print("encoding in pieces has the same codes:", exact)
wrong = (cached > 0.1).nonzero().flatten().tolist()
same = cache is not None and wrong == list(range(PIECE, PIECE + 5))
same = same and torch.allclose(cached, alone, atol=1e-2) and overlapped.max() < 0.01
raise SystemExit(0 if same and exact else 1)
PY
env/bin/python seen.py
