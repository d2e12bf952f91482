"""The weights of SoCodec as its authors released them (hhguo/SoCodec).

Two safetensors files without a YAML: the codec, with or without the HuBERT
whose features it encodes, and the vocoder. Weights are renamed to the names of
this package, and loaded strictly.
"""

import re
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo import HPARAMS
from speechbrain_gogo.fairseq_names import PRETRAINING, rename
from speechbrain_gogo.inference.loading.hub import RELEASE
from speechbrain_gogo.inference.loading.pretrained import (
    load_state,
    read_weights,
)
from speechbrain_gogo.lobes.vocoder.bigvgan import BigVGAN

SSL = "ssl_extractor.model."
PARTS = "encoder.", "decoder_1.", "decoder_2.", "quantizer.", "speaker_encoder."

# Of the codec. Layer numbers skip activations and norms that are switched off.
CODEC_NAMES = (
    (r"^encoder\.layers\.0\.", "encoder.conv_in."),
    (r"^encoder\.layers\.8\.", "encoder.conv_out."),
    (r"^encoder\.layers\.2\.", "encoder.blocks.0."),
    (r"^encoder\.layers\.5\.", "encoder.blocks.1."),
    (r"^(encoder\.blocks\.\d)\.layers\.6\.", r"\1.resample."),
    (r"^(encoder\.blocks\.\d)\.layers\.0\.", r"\1.units.0."),
    (r"^(encoder\.blocks\.\d)\.layers\.3\.", r"\1.units.1."),
    (r"^decoder_1\.", "semantic_decoder."),
    (r"^decoder_2\.", "acoustic_decoder."),
    (r"^(\w+_decoder)\.layers\.0\.", r"\1.conv_in."),
    (r"^(\w+_decoder)\.layers\.2\.", r"\1.blocks.0."),
    (r"^semantic_decoder\.layers\.5\.", "semantic_decoder.blocks.1."),
    (r"^semantic_decoder\.layers\.8\.", "semantic_decoder.conv_out."),
    (r"^acoustic_decoder\.layers\.5\.", "acoustic_decoder.conv_out."),
    (r"^(\w+_decoder\.blocks\.\d)\.layers\.0\.", r"\1.resample."),
    (r"^(\w+_decoder\.blocks\.\d)\.layers\.3\.", r"\1.units.0."),
    (r"^(\w+_decoder\.blocks\.\d)\.layers\.6\.", r"\1.units.1."),
    (r"(\.units\.\d)\.layers\.0\.", r"\1.first."),
    (r"(\.units\.\d)\.layers\.3\.", r"\1.second."),
    (r"^speaker_encoder\.", "global_encoder.ecapa."),
    (r"^quantizer\.quantizers\.0\.(project_\w+)\.", r"quantizer.\1."),
    (
        r"^quantizer\.quantizers\.0\._codebook\.codebooks\.(\d)\.(\w+)$",
        r"quantizer.codebooks.\2.\1",
    ),
    (r"(quantizer\.codebooks)\.inited\.", r"\1.initialized."),
)
VOCODER_NAMES = (
    (r"^conv_pre\.", "conv_in."),
    (r"^conv_post\.", "conv_out."),
    (r"^ups\.(\d)\.0\.", r"upsamplings.\1."),
    (r"^activation_post\.", "activation."),
    (r"\.act\.(alpha|beta)$", r".\1"),
    (r"\.upsample\.filter$", ".up_filter"),
    (r"\.downsample\.lowpass\.filter$", ".down_filter"),
)
LAYER = r"encoder\.layers\.(\d+)\."


def load_release(folder, overrides=None):
    """Build the released codec and vocoder, with their weights.

    ``overrides`` replace values of hparams/socodec.yaml. Returns hyperparameters
    with ``modules``.
    """
    with open(HPARAMS / "socodec.yaml") as stream:
        model = load_hyperpyyaml(stream, overrides or {})
    codec, vocoder = model["codec"], BigVGAN(n_mels=model["n_mels"])
    path, found = _read(folder, RELEASE[0])
    ssl = {k: v for k, v in found.items() if k.startswith(SSL)}
    # Other tensors of the file do not belong to the codec.
    ours = {k: v for k, v in found.items() if k.startswith(PARTS)}
    found = rename(ours, CODEC_NAMES)
    found = stack_codebooks(found)
    found["mean_embedding"] = codec.mean_embedding  # there is none
    load_state(codec, found, path)
    if ssl:
        ssl = {k.removeprefix(SSL): v for k, v in ssl.items()}
        codec.ssl.use(build_hubert(ssl, path))
    path, found = _read(folder, RELEASE[1])
    load_state(vocoder, vocoder_state(found, len(vocoder.blocks[0])), path)
    return {**model, "modules": {"codec": codec, "vocoder": vocoder}}


def stack_codebooks(state):
    """Stack the tensors of single codebooks, whose names end in a number."""
    single = re.compile(r"^(quantizer\.codebooks\.\w+)\.(\d+)$")
    books = {}
    for name in [name for name in state if single.match(name)]:
        joined, place = single.match(name).groups()
        books.setdefault(joined, {})[int(place)] = state.pop(name)
    for name, parts in books.items():
        if name.endswith(".initialized"):  # [1] each
            parts = {place: part.float().sum() for place, part in parts.items()}
        state[name] = torch.stack([parts[place] for place in sorted(parts)])
    return state


def vocoder_state(state, kinds):
    """The vocoder's weights, with weight normalisation folded in.

    ``kinds`` is the number of residual blocks per stage, which are numbered
    consecutively.
    """
    state = dict(state)
    for name in [name for name in state if name.endswith(".weight_g")]:
        layer = name.removesuffix("_g")
        if f"{layer}_v" in state:
            size, direction = state.pop(name), state.pop(f"{layer}_v")
            state[layer] = torch._weight_norm(direction, size, 0)
    found = {}
    for name, value in rename(state, VOCODER_NAMES).items():
        block = re.match(r"^resblocks\.(\d+)\.", name)
        if block:
            stage, kind = divmod(int(block[1]), kinds)
            name = f"blocks.{stage}.{kind}.{name[block.end() :]}"
        found[name] = value.flatten() if name.endswith("_filter") else value
    return found


def build_hubert(state, path):
    """The HuBERT of a release, of any size, from weights under fairseq's names."""
    from transformers import HubertConfig, HubertModel

    used = {k: v for k, v in state.items() if not k.startswith(PRETRAINING)}
    found = rename(used)
    convs = [
        found[name].shape
        for place in range(7)
        if (name := f"feature_extractor.conv_layers.{place}.conv.weight")
        in found
    ]
    layers = {m[1] for name in found if (m := re.match(LAYER, name))}
    try:
        hidden = len(found["feature_projection.projection.weight"])
        ffn = found["encoder.layers.0.feed_forward.intermediate_dense.weight"]
        positions = found[
            "encoder.pos_conv_embed.conv.parametrizations.weight.original1"
        ].shape  # [hidden, hidden / groups, kernel]
    except KeyError as error:
        raise ValueError(
            f"{path} holds an incomplete HuBERT: no {error}."
        ) from None
    network = HubertModel(
        HubertConfig(
            hidden_size=hidden,
            num_hidden_layers=len(layers),
            num_attention_heads=hidden // 64,
            intermediate_size=len(ffn),
            conv_dim=[shape[0] for shape in convs],
            conv_kernel=[shape[2] for shape in convs],
            conv_stride=[5, 2, 2, 2, 2, 2, 2],
            conv_bias="feature_extractor.conv_layers.0.conv.bias" in found,
            feat_extract_norm="layer",
            feat_proj_layer_norm=True,
            do_stable_layer_norm=True,
            num_conv_pos_embeddings=positions[2],
            num_conv_pos_embedding_groups=hidden // positions[1],
            mask_time_prob=0.05 if "masked_spec_embed" in found else 0.0,
        )
    )
    load_state(network, found, path)
    return network


def _read(folder, pattern):
    """The one file of a pattern and its tensors."""
    paths = sorted(Path(folder).glob(pattern))
    if len(paths) != 1:
        raise ValueError(
            f"{folder} has {len(paths)} files {pattern}: there must be one."
        )
    return paths[0], read_weights(paths[0])
