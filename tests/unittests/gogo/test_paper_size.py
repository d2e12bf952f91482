"""hparams/gogo.yaml: the sizes of Appendix C, counted independently."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from recipes.common.settings import compose
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.quantizer import FSQ


def linear(d_in, d_out, bias=True):
    return d_in * d_out + bias * d_out


def llama_layers(number, dim=512, ffn=1536):
    """Attention, SwiGLU and two norms a layer, one norm at the end; no bias."""
    return number * (4 * dim * dim + 3 * dim * ffn + 2 * dim) + dim


def convnext_v2(dim=100, expansion=4):
    wide = expansion * dim
    return (
        (dim * 7 + dim)
        + 2 * dim
        + linear(dim, wide)
        + 2 * wide
        + linear(wide, dim)
    )


def f5_dit(layers=12, dim=1024, ff=2048, kernel=31, groups=16):
    """F5-TTS base: 16 heads, ff_mult 2, adaLN-zero, conv positions."""
    block = linear(dim, 3 * dim) + linear(dim, dim) + linear(dim, 6 * dim)
    block += linear(dim, ff) + linear(ff, dim)
    positions = 2 * (dim * dim // groups * kernel + dim)
    time = linear(256, dim) + linear(dim, dim)
    inputs = linear(100, dim, bias=False) + linear(512, dim)
    return (
        layers * block
        + positions
        + time
        + inputs
        + linear(dim, 2 * dim)
        + linear(dim, 100)
    )


@pytest.fixture
def paper(request, monkeypatch):
    """The YAML's objects, weights without memory."""
    for small in (VocosMel, FSQ):  # they look at their own numbers

        def on_cpu(self, *args, build=small.__init__, **kwargs):
            with torch.device("cpu"):
                build(self, *args, **kwargs)

        monkeypatch.setattr(small, "__init__", on_cpu)
    path = request.config.rootpath / "hparams" / "gogo.yaml"
    with open(path) as stream, torch.device("meta"):
        return load_hyperpyyaml(stream)


def test_parameters_of_each_part(paper):
    codec = paper["codec"]
    expected = {  # part: (module, by hand, millions it is known for)
        "stem": (
            codec.encoder.stem,
            4 * convnext_v2() + linear(100, 512) + linear(512, 512),
            0.6,
        ),
        "encoder": (codec.encoder.transformer, llama_layers(12), 41),
        "quantizer": (codec.quantizer, linear(512, 5) + linear(5, 512), 0),
        "decoder": (codec.flow.backbone, f5_dit(), 185),
        "AR prior": (
            paper["ar_prior"],
            llama_layers(4) + linear(512, 512),
            13.6 + 0.3,  # with the projection
        ),
        "ASR head": (
            paper["asr_head"],
            llama_layers(8) + 2 * 1000 * 512,
            27 + 1,  # with its vocabulary
        ),
    }
    for name, (module, number, millions) in expected.items():
        found = sum(p.numel() for p in module.parameters())
        assert found == number, name
        assert found / 1e6 == pytest.approx(millions, rel=0.08, abs=0.01), name
    parts = ("stem", "encoder", "quantizer", "decoder")
    rest = (10 + 20 + 1) * 512  # queries, places, m
    whole = sum(expected[part][1] for part in parts) + rest
    assert sum(p.numel() for p in codec.parameters()) == whole


def test_numbers_of_the_paper(paper):
    codec = paper["codec"]
    assert (codec.group_size, codec.num_codebooks, codec.backbone_size) == (
        20,
        10,
        3,
    )
    assert (codec.sample_rate, codec.vocab_size) == (24000, 12800)
    assert 24000 / codec.group_samples * codec.num_codebooks == 46.875  # Hz
    flow, objective = codec.flow, paper["objective"]
    assert (flow.predict, flow.guidance_scale) == ("velocity", 2.0)
    assert flow.sway_coefficient == -1.0
    assert (objective.ar_weight, objective.asr_weight) == (0.06, 1.0)
    assert objective.ar_prior.learning_rate_factor == 50
    # See docs/measurements/deviations.md.
    assert objective.ar_prior.gradient_scale == 1
    balancer = objective.balancer
    assert (balancer.minimum, balancer.maximum) == (0.2, 1.8)
    blocks = codec.encoder.transformer.layers
    assert all(block.head_dim == 512 // 8 for block in blocks)
    for part in (objective.ar_prior, objective.asr_head):
        config = part.transformer.config
        assert config.num_attention_heads == 8
        assert config.num_key_value_heads == 8
    assert codec.flow.backbone.blocks[0].num_heads == 16


def test_allocator(request):
    """Two layers of the same kind, a projection before, a classifier behind."""
    path = request.config.rootpath / "hparams" / "allocator.yaml"
    with open(path) as stream, torch.device("meta"):
        allocator = load_hyperpyyaml(stream)["allocator"]
    number = linear(512, 512) + llama_layers(2) + linear(512, 8)
    found = sum(p.numel() for p in allocator.parameters())
    assert found == number
    assert found / 1e6 == pytest.approx(7, rel=0.08)


@pytest.mark.parametrize("corpus", ["LibriTTS", "Emilia"])
def test_recipes_decode_as_the_paper_does(request, corpus):
    """With Vocos, in windows that hold the 20 s of the longest clips."""
    recipe = request.config.rootpath / "recipes" / corpus
    tree = compose(recipe / "codec" / "hparams" / "train.yaml")
    assert tree["vocoder"].tag.value.endswith("VocosVocoder.from_source")
    assert tree["vocoder"]["source"].value == "<vocoder_source>"
    assert tree["vocoder_source"] == "charactr/vocos-mel-24khz"
    seconds = tree["window_groups"] * 20 * 256 / 24000
    assert 20 <= seconds < 21
    reward = compose(recipe / "allocator" / "hparams" / "train.yaml")
    assert reward["vocoder"].value == "<codec.vocoder>"
