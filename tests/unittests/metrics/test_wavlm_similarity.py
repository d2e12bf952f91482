"""The paper's speaker similarity: a small WavLM in the published layout."""

import pytest
import torch
from tiny_judges import SMALL, noises
from torch.nn import functional as F
from transformers import WavLMConfig, WavLMModel

from speechbrain_gogo.metrics import WavLMSimilarity
from speechbrain_gogo.metrics.speakers.speaker_network import (
    SpeakerNetwork,
    published_state,
)
from speechbrain_gogo.metrics.speakers.wavlm_similarity import LARGE


def published_shapes(dim, layers, heads, ffn, conv, taps, groups):
    """Names and shapes in wavlm_large_finetune.pth, stated anew.

    From what UniSpeech's ecapa_tdnn.py (ECAPA_TDNN_SMALL), s3prl's upstream
    and Microsoft's WavLM.py call their parts.
    """
    shapes = {"mask_emb": (dim,)}

    def layer(name, out, *rest):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, *rest), (out,)

    for place, width in enumerate((10, 3, 3, 3, 3, 2, 2)):
        name = f"feature_extractor.conv_layers.{place}"
        shapes[f"{name}.0.weight"] = (conv, conv if place else 1, width)
        layer(f"{name}.2.1", conv)
    layer("layer_norm", conv)
    layer("post_extract_proj", dim, conv)
    shapes["encoder.pos_conv.0.bias"] = (dim,)
    shapes["encoder.pos_conv.0.weight_g"] = (1, 1, taps)
    shapes["encoder.pos_conv.0.weight_v"] = (dim, dim // groups, taps)
    layer("encoder.layer_norm", dim)
    for place in range(layers):
        name = f"encoder.layers.{place}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            layer(f"{name}.self_attn.{part}", dim, dim)
        layer(f"{name}.self_attn.grep_linear", 8, dim // heads)
        shapes[f"{name}.self_attn.grep_a"] = (1, heads, 1, 1)
        layer(f"{name}.self_attn_layer_norm", dim)
        layer(f"{name}.fc1", ffn, dim)
        layer(f"{name}.fc2", dim, ffn)
        layer(f"{name}.final_layer_norm", dim)
    bias = "encoder.layers.0.self_attn.relative_attention_bias.weight"
    shapes[bias] = (320, heads)
    layer("final_proj", 9, dim)  # only training needs it
    shapes = {f"feature_extract.model.{k}": v for k, v in shapes.items()}

    def norm(name, size):
        layer(name, size)
        shapes[f"{name}.running_mean"] = shapes[f"{name}.running_var"] = (size,)
        shapes[f"{name}.num_batches_tracked"] = ()

    shapes["feature_weight"] = (layers + 1,)
    layer("layer1.conv", 512, dim, 5)
    norm("layer1.bn", 512)
    for block in ("layer2", "layer3", "layer4"):
        for place in (1, 2):
            layer(f"{block}.Conv1dReluBn{place}.conv", 512, 512, 1)
            norm(f"{block}.Conv1dReluBn{place}.bn", 512)
        for place in range(7):
            layer(f"{block}.Res2Conv1dReluBn.convs.{place}", 64, 64, 3)
            norm(f"{block}.Res2Conv1dReluBn.bns.{place}", 64)
        layer(f"{block}.SE_Connect.linear1", 128, 512)
        layer(f"{block}.SE_Connect.linear2", 512, 128)
    layer("conv", 1536, 1536, 1)
    layer("pooling.linear1", 128, 1536, 1)
    layer("pooling.linear2", 1536, 128, 1)
    norm("bn", 3072)
    layer("linear", 256, 3072)
    shapes["loss_calculator.projection.weight"] = (9, 256)
    return shapes


def test_speaker_network_has_the_published_names_and_shapes():
    """At full size, on the meta device."""
    with torch.device("meta"):
        network = SpeakerNetwork(WavLMModel(WavLMConfig(**LARGE)))
        state = {
            name: torch.empty(shape)
            for name, shape in published_shapes(
                1024, 24, 16, 4096, 512, 128, 16
            ).items()
        }
    wanted = {k: v.shape for k, v in network.state_dict().items()}
    assert {k: v.shape for k, v in published_state(state).items()} == wanted


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    """A small checkpoint in the published layout, and its tensors."""
    path = tmp_path_factory.mktemp("wavlm") / "wavlm_large_finetune.pth"
    generator = torch.manual_seed(0)
    state = {
        name: torch.rand(shape, generator=generator) / 4 + 0.05
        if name.endswith("running_var") or not shape
        else torch.randn(shape, generator=generator)
        * max(shape[1:] + (9,)) ** -0.5
        for name, shape in published_shapes(32, 2, 2, 64, 16, 16, 4).items()
    }
    torch.save({"model": state}, path)
    return path, state


def embed_plainly(states, w):
    """ECAPA_TDNN_SMALL of hidden states [L, T, D], by its formulas."""

    def norm(x, name):
        keys = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(w[f"{name}.{key}"] for key in keys))

    def conv(x, name, **kw):
        return F.conv1d(x, w[f"{name}.weight"], w[f"{name}.bias"], **kw)

    x = torch.einsum("ltd,l->dt", states, w["feature_weight"].softmax(0))
    x = x.unsqueeze(0) + 1e-6
    deviation = (x.var(2, keepdim=True, correction=0) + 1e-5).sqrt()
    x = (x - x.mean(2, keepdim=True)) / deviation
    x = norm(conv(x, "layer1.conv", padding=2).relu(), "layer1.bn")
    blocks = []
    for place in (2, 3, 4):
        name, y = f"layer{place}", x
        y = norm(
            conv(y, f"{name}.Conv1dReluBn1.conv").relu(),
            f"{name}.Conv1dReluBn1.bn",
        )
        parts = list(y.split(64, dim=1))
        for i in range(7):
            part = parts[i] + (parts[i - 1] if i else 0)
            part = conv(
                part,
                f"{name}.Res2Conv1dReluBn.convs.{i}",
                padding=place,
                dilation=place,
            )
            parts[i] = norm(part.relu(), f"{name}.Res2Conv1dReluBn.bns.{i}")
        y = norm(
            conv(torch.cat(parts, 1), f"{name}.Conv1dReluBn2.conv").relu(),
            f"{name}.Conv1dReluBn2.bn",
        )
        gate = y.mean(2)
        for part, then in (("1", torch.relu), ("2", torch.sigmoid)):
            linear = f"{name}.SE_Connect.linear{part}"
            gate = then(
                F.linear(gate, w[f"{linear}.weight"], w[f"{linear}.bias"])
            )
        x = x + y * gate.unsqueeze(2)
        blocks.append(x)
    x = conv(torch.cat(blocks, 1), "conv").relu()
    attention = conv(conv(x, "pooling.linear1").tanh(), "pooling.linear2")
    attention = attention.softmax(2)
    mean = (attention * x).sum(2)
    spread = ((attention * x**2).sum(2) - mean**2).clamp(min=1e-9).sqrt()
    pooled = norm(torch.cat([mean, spread], 1), "bn")
    return F.linear(pooled, w["linear.weight"], w["linear.bias"])[0]


def test_similarity_follows_the_published_formulas(finetuned):
    """By the published formulas, alone and in a batch; 1 for equal audio."""
    path, state = finetuned
    metric = WavLMSimilarity(path, sample_rate=16000, wavlm=SMALL)
    wavlm = metric._network.wavlm
    key = "feature_extract.model.encoder.layers.1.fc1.weight"
    dense = wavlm.encoder.layers[1].feed_forward.intermediate_dense
    assert torch.equal(dense.weight, state[key])

    # What enters each layer, and what leaves the encoder.
    heard, hooks = [], []
    for layer in wavlm.encoder.layers:
        hooks.append(
            layer.register_forward_pre_hook(
                lambda _, inputs, named: heard.append(
                    inputs[0] if inputs else named["hidden_states"]
                ),
                with_kwargs=True,
            )
        )
    hooks.append(
        wavlm.encoder.layer_norm.register_forward_hook(
            lambda _, inputs, output: heard.append(output)
        )
    )
    wavs, voices = noises(8000, 7000), []
    with torch.no_grad():
        for wav in wavs:
            heard.clear()
            wavlm(
                (wav - wav.mean())[None] / (wav.var(correction=0) + 1e-5).sqrt()
            )
            voices.append(embed_plainly(torch.cat(heard), state))
        for hook in hooks:
            hook.remove()
        found = metric._network(wavs)
    torch.testing.assert_close(found, torch.stack(voices), rtol=1e-3, atol=1e-4)

    first, second = metric.measure_batch(wavs, [wavs[0], wavs[0]])
    assert first["wavlm_similarity"] == pytest.approx(1, abs=1e-5)
    expected = F.cosine_similarity(voices[0], voices[1], dim=0)
    assert second["wavlm_similarity"] == pytest.approx(
        float(expected), abs=1e-4
    )


def test_another_checkpoint_is_refused(finetuned):
    """Weights of other sizes, or names, are not loaded in part."""
    path, _ = finetuned
    with pytest.raises(ValueError, match="not the speaker verification model"):
        WavLMSimilarity(path, wavlm={**SMALL, "num_hidden_layers": 3})
