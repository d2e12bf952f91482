"""Readable descriptions of codecs and token files.

A token of a codebook with C entries has log2(C) bits (13.6 for the 12,800 codes
of the paper).
"""

import math
from pathlib import Path

from safetensors import safe_open

from speechbrain_gogo.inference.files.tokens import load_tokens
from speechbrain_gogo.inference.loading.export_speech import FOLDERS
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.inference.loading.speech_lm import WEIGHTS

# Networks that tokens come from; the others decode.
ENCODING = "encoder", "quantizer", "quantizers", "global_encoder"


def token_and_bit_rate(codec, keep):
    """Tokens and bits per second, when ``keep`` tokens of every group are kept.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> codec = SimpleNamespace(group_rate=4.6875, vocab_size=12800)
    >>> tokens, bits = token_and_bit_rate(codec, keep=10)
    >>> tokens, round(bits, 1)
    (46.875, 639.6)
    """
    tokens = keep * codec.group_rate
    return tokens, tokens * math.log2(codec.vocab_size)


def describe_rate(codec, keep):
    """The rates of :func:`token_and_bit_rate` in words."""
    tokens, bits = token_and_bit_rate(codec, keep)
    return f"{tokens:.1f} tokens/s, {bits:.1f} bit/s"


def describe_kept(codec, tokens):
    """The rates of a token matrix [N, K], masking tokens not counted."""
    kept = (tokens != codec.mask_id).sum(1).double().mean()
    return describe_rate(codec, float(kept))


def describe_codec(codec, source):
    """Properties of a codec and of the folder it was loaded from, name to text."""
    folder = find_source(source)
    files = folder.rglob("*.safetensors")
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    total, backbone = codec.num_codebooks, codec.backbone_size
    parts = dict(codec.codec.named_children())
    encoding = [part for name, part in parts.items() if name in ENCODING]
    decoding = [part for name, part in parts.items() if name not in ENCODING]
    return {
        "codec": codec.name,
        "folder": folder,
        "fingerprint": codec.fingerprint,
        "audio": f"{codec.sample_rate} Hz, mono",
        "group": f"{codec.group_size} frames, {codec.group_samples} samples, "
        f"{1000 / codec.group_rate:.1f} ms",
        "tokens": f"{total} per group, each one of {codec.vocab_size}; "
        f"{codec.vocab_size} itself masks",
        "one kept": describe_rate(codec, 1),
        "backbone": f"{backbone} kept: {describe_rate(codec, backbone)}",
        "all": describe_rate(codec, total),
        "encoder": _parameters(*encoding),
        "decoder": _parameters(*decoding),
        "vocoder": _parameters(codec.vocoder),
        "allocator": _parameters(codec.mods.allocator)
        if "allocator" in codec.mods
        else "none",
        "speech": _language_models(folder) or "none in this folder",
        "weights": f"{megabytes:.1f} MB on disk",
    }


def describe_token_file(path, codec):
    """Properties of a token file, name to text; rates if ``codec`` made it."""
    found = load_tokens(path)
    groups, kept = found.tokens.shape
    each = f"{kept}"
    if found.budgets is not None:
        least, most = int(found.budgets.min()), int(found.budgets.max())
        kept = float(found.budgets.double().mean())
        each = f"{least} to {most}, {kept:.2f} on average"
    metadata = {
        "token file": f"{path}, {Path(path).stat().st_size} bytes",
        "codec": found.codec,
        "fingerprint": found.fingerprint,
        "tokens": f"{groups} groups of {each}",
        "samples": found.num_samples,
        "of": "a recording"
        if found.recorded
        else "synthetic speech, or unknown",
    }
    if found.fingerprint == codec.fingerprint:
        seconds = found.num_samples / codec.sample_rate
        metadata["duration"] = f"{seconds:.2f} s at {codec.sample_rate} Hz"
        metadata["rate"] = describe_rate(codec, kept)
    else:
        metadata["rate"] = (
            f"unknown: not a token file of '{codec.name}' (fingerprint "
            f"{codec.fingerprint}), name its codec with --codec"
        )
    return metadata


def _parameters(*modules):
    """Number of weights of modules, in words."""
    count = sum(p.numel() for m in modules for p in m.parameters())
    return f"{count / 1e6:.2f} M parameters" if count else "no parameters"


def _language_models(folder):
    """Number of weights of the language models, without reading them."""
    paths = {name: folder / name / "model.safetensors" for name in FOLDERS}
    paths["lm"] = folder / WEIGHTS
    metadata = []
    for name, path in paths.items():
        if path.is_file():
            with safe_open(path, "pt") as file:
                keys = file.keys()
                shapes = [file.get_slice(key).get_shape() for key in keys]
            millions = sum(map(math.prod, shapes)) / 1e6
            metadata.append(f"{name} {millions:.2f} M")
    return ", ".join(metadata) + " parameters" if metadata else ""
