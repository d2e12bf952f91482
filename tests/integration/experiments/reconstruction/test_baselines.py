"""Baselines of the reconstruction table, with tiny random weights."""

import json
import sys

import pytest
import torch
from transformers import AutoConfig, AutoModel

TINY = {
    "encodec": {"num_filters": 4, "hidden_size": 16, "codebook_dim": 16},
    "dac": {
        "sampling_rate": 24000,
        "encoder_hidden_size": 8,
        "hidden_size": 32,
        "decoder_hidden_size": 32,
        "downsampling_ratios": [2, 4, 5, 8],
        "upsampling_ratios": [8, 5, 4, 2],
        "n_codebooks": 8,
    },
    "mimi": {
        "hidden_size": 32,
        "num_filters": 4,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 64,
        "codebook_dim": 16,
        "codebook_size": 64,
        "vector_quantization_hidden_dimension": 16,
        "upsample_groups": 32,
    },
    "xcodec2": {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "encoder_hidden_size": 4,
        "quantization_dim": 64,
        "semantic_model_config": {
            "model_type": "wav2vec2-bert",
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
    },
}


@pytest.fixture
def baselines(scripts_of):
    """The recipe's module."""
    scripts_of("LibriTTS/reconstruction")
    import baselines

    return baselines


@pytest.fixture
def folder(tmp_path):
    """Writes a tiny model of transformers as a checkpoint's folder."""

    def write(kind):
        torch.manual_seed(0)
        model = AutoModel.from_config(AutoConfig.for_model(kind, **TINY[kind]))
        for name, value in model.state_dict().items():
            if name.endswith(("embed", "embed_sum")):  # zeros at first
                torch.nn.init.normal_(value)
        model.save_pretrained(tmp_path)
        return tmp_path

    return write


def tone(rate):
    """A second and a bit, no whole number of frames."""
    time = torch.arange(int(1.013 * rate)) / rate
    return 0.1 * torch.sin(2000 * time.unsqueeze(0))


@pytest.mark.parametrize(
    "kind, name, codebooks, asked, tokens",
    [
        ("encodec", "EnCodec", 2, {"bandwidth": 1.5}, 150),
        ("dac", "DAC", 2, {"n_quantizers": 2}, 150),
        ("mimi", "Mimi", 4, {"num_quantizers": 4}, 50),
    ],
)
def test_first_codebooks_equal_the_lower_rate(
    baselines, folder, kind, name, codebooks, asked, tokens
):
    """Equal to the codec's own output at that rate, as in Table 1."""
    codec = getattr(baselines, name)
    system = codec(folder(kind), "MIT", [codebooks])
    ((label, options),) = system.rows({}).items()
    assert label == f"{codebooks} codebooks"
    assert system.rate(**options).tokens == tokens
    wavs = tone(system.sample_rate)
    found = system.reconstruct(wavs, **options)
    assert abs(found.shape[1] - wavs.shape[1]) <= system.hop_length

    network, padding = system.network, -wavs.shape[1] % system.hop_length
    padded = torch.nn.functional.pad(wavs, (0, padding * (kind == "dac")))
    with torch.no_grad():
        codes = network.encode(padded.unsqueeze(1), **asked).audio_codes
        assert codes.shape[-2] == codebooks
        rest = [[None]] if kind == "encodec" else []
        audio = network.decode(
            audio_codes=codes, **dict(zip(["audio_scales"], rest))
        )
    expected = audio.audio_values.reshape(1, -1)[:, : wavs.shape[1]]
    torch.testing.assert_close(found, expected)
    assert system.reconstruct(wavs, codebooks=1).ne(found).any()


def test_too_many_codebooks_are_refused(baselines, folder):
    """An error, not a row with fewer codebooks than its label."""
    system = baselines.DAC(folder("dac"), "MIT", [9])
    with pytest.raises(ValueError, match="has 8 codebooks, not 9"):
        system.reconstruct(tone(24000), codebooks=9)


def test_xcodec2(baselines, folder):
    """One codebook of 4 ** 8 entries, 50 Hz, features of its own."""
    pytest.importorskip(
        "transformers.models.xcodec2", reason="a newer transformers has it"
    )
    from transformers import Xcodec2FeatureExtractor

    path = folder("xcodec2")
    Xcodec2FeatureExtractor().save_pretrained(path)
    system = baselines.XCodec2(path, "CC-BY-NC-4.0")
    rate = system.rate(codebooks=1)
    assert (rate.tokens, rate.bits) == (50, 800)
    wavs = tone(system.sample_rate)
    assert system.reconstruct(wavs, codebooks=1).shape == wavs.shape


def test_snac(baselines, tmp_path):
    """82 tokens per second in three rates; the same noise every time."""
    snac = pytest.importorskip("snac")
    settings = {
        "sampling_rate": 24000,
        "encoder_dim": 4,
        "encoder_rates": [2, 4, 8, 8],
        "decoder_dim": 64,
        "decoder_rates": [8, 8, 4, 2],
        "attn_window_size": None,
        "codebook_size": 4096,
        "vq_strides": [4, 2, 1],
    }
    (tmp_path / "config.json").write_text(json.dumps(settings))
    weights = snac.SNAC(**settings).state_dict()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    system = baselines.SNAC(tmp_path, "MIT", [3])
    rate = system.rate(codebooks=3)
    assert rate.tokens == pytest.approx(82.03, abs=0.01)
    assert rate.bits == pytest.approx(984, abs=1)
    wavs = tone(24000)
    found = system.reconstruct(wavs, codebooks=3)
    assert torch.equal(found, system.reconstruct(wavs, codebooks=3))
    with pytest.raises(ValueError, match="all of its 3 codebooks"):
        system.reconstruct(wavs, codebooks=1)


def test_speechtokenizer(baselines, tmp_path):
    """With the files of its hub repository."""
    package = pytest.importorskip("speechtokenizer")
    settings = {
        "n_filters": 4,
        "dimension": 16,
        "semantic_dimension": 24,
        "strides": [8, 5, 4, 2],
        "lstm_layers": 1,
        "bidirectional": True,
        "dilation_base": 2,
        "residual_kernel_size": 3,
        "n_residual_layers": 1,
        "activation": "ELU",
        "sample_rate": 16000,
        "n_q": 8,
        "codebook_size": 1024,
    }
    inside = tmp_path / "speechtokenizer_hubert_avg"
    inside.mkdir()
    (inside / "config.json").write_text(json.dumps(settings))
    network = package.SpeechTokenizer(settings)
    torch.save(network.state_dict(), inside / "SpeechTokenizer.pt")
    system = baselines.SpeechTokenizer(tmp_path, "Apache-2.0", [3, 1])
    assert [system.rate(n).tokens for n in (3, 1)] == [150, 50]
    wavs = tone(16000)
    assert system.reconstruct(wavs, codebooks=3).shape == wavs.shape


def test_missing_packages_and_networks_are_named(baselines, monkeypatch):
    """A package, or a network."""

    def unreachable(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(ValueError, match="Mimi needs kyutai/mimi.*no route"):
        baselines.Mimi("kyutai/mimi", "CC-BY-4.0", [4])
    monkeypatch.setitem(sys.modules, "snac", None)
    with pytest.raises(ImportError, match="pip install snac"):
        baselines.SNAC("hubertsiuzdak/snac_24khz", "MIT", [3])
