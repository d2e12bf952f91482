"""SoCodec's released layout against a computation of its own.

The weights are random: what is tested is that the names mean the same.
"""

import pytest
import torch
from released_socodec import (
    CODEC,
    VOCODER,
    Reference,
    codec_shapes,
    draw,
    vocode,
    vocoder_shapes,
)
from safetensors.torch import save_file

from speechbrain_gogo.inference import GogoCodec, SoCodec, open_codec


@pytest.fixture(scope="module")
def states():
    return draw(codec_shapes(), 0), draw(vocoder_shapes(), 1)


@pytest.fixture(scope="module")
def release(states, tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    other = {"ssl_extractor.window": torch.ones(3)}  # no part of the codec
    save_file({**states[0], **other}, folder / CODEC)
    save_file(states[1], folder / VOCODER)
    return folder


@pytest.fixture(scope="module")
def codec(release):
    return SoCodec.from_hparams(release)


def features(steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ssl = torch.randn(1, 6 * steps, 1024, generator=generator)
    mel = torch.randn(1, 12 * steps, 80, generator=generator) - 5
    return ssl, mel


def test_layout_has_the_released_sizes():
    codec, vocoder = codec_shapes(), vocoder_shapes()
    assert len(codec) == 138 and len(vocoder) == 235
    sizes = [
        sum(torch.Size(shape).numel() for shape in shapes.values())
        for shapes in (codec, vocoder)
    ]
    assert sizes == [48_605_912, 5_715_402]


@pytest.mark.parametrize("steps", [1, 7, 20])
def test_codes_and_mel_equal_the_reference(codec, states, steps):
    reference = Reference(states[0])
    ssl, mel = features(steps)
    codes, g = codec.encode_features(ssl, mel)
    assert torch.equal(codes, reference.encode(ssl))
    assert codes.unique().numel() > 1
    assert torch.allclose(g, reference.embedding(mel), atol=1e-5)
    for keep in (1, 2, 3, 4):
        expected = reference.decode(codes[..., :keep], g)
        decoded = codec.decode_mel(codes, g, keep=keep)
        assert (decoded - expected).abs().max() < 1e-4
    assert torch.equal(
        codec.decode_mel(codes[..., 0], g), codec.decode_mel(codes, g, keep=1)
    )


def test_batch_of_features_equals_single(codec):
    clips = [features(steps, steps) for steps in (3, 11)]
    ssl, mel = (
        torch.nn.utils.rnn.pad_sequence([c[0] for c in part], True)
        for part in zip(*clips)
    )
    codes, g = codec.encode_features(ssl, mel, torch.tensor([3 / 11, 1.0]))
    decoded = codec.decode_mel(codes, g)
    for row, clip in enumerate(clips):
        alone, own = codec.encode_features(*clip)
        steps = alone.shape[1]
        assert torch.equal(codes[row, :steps], alone[0])
        assert torch.allclose(g[row], own[0], atol=1e-5)
        single = codec.decode_mel(alone, own)[0]
        assert (decoded[row, : len(single)] - single).abs().max() < 1e-4


def test_vocoder_equals_the_reference(codec, states):
    mel = features(2)[1]
    with torch.no_grad():
        audio = codec.vocoder(mel)
    expected = vocode(states[1], mel)
    assert audio.shape == (1, 2 * 1920)
    assert (audio - expected).abs().max() < 1e-4


def test_streams_equal_batches(codec):
    """Audio of any pieces; the voice of another clip is another mel."""
    codes, g = codec.encode_features(*features(14))
    whole, lens = codec.decode_batch(codes, embedding=g, num_samples=26000)
    assert whole.shape == (1, 26000) and lens.tolist() == [1.0]
    pieces = iter(codes[0].split([1, 5, 8]))
    streamed = list(codec.decode_stream(pieces, embedding=g[0]))
    assert len(streamed) > 1
    assert (torch.cat(streamed)[:26000] - whole[0]).abs().max() < 1e-4
    other = codec.decode_mel(codes, features(14, 5)[1].mean() * g)
    assert (other - codec.decode_mel(codes, g)).abs().max() > 1e-2


def test_missing_weights_are_listed(states, tmp_path):
    state = dict(states[0])
    for lost in ("encoder.layers.5.layers.6.weight", "decoder_2.layers.5.bias"):
        del state[lost]
    save_file(state, tmp_path / CODEC)
    save_file(states[1], tmp_path / VOCODER)
    with pytest.raises(ValueError, match="in 2 places") as error:
        SoCodec.from_hparams(tmp_path)
    assert "missing encoder.blocks.1.resample.weight" in str(error.value)
    assert "missing acoustic_decoder.conv_out.bias" in str(error.value)


def test_release_on_the_hub_has_no_yaml(release, monkeypatch):
    download = "huggingface_hub.snapshot_download"
    monkeypatch.setattr(download, lambda *_, **__: str(release))
    found = open_codec("somebody/socodec")
    assert isinstance(found, SoCodec) and found.name == "somebody/socodec"
    with pytest.raises(ValueError, match="no hyperparams.yaml: only SoCodec"):
        GogoCodec.from_hparams("somebody/socodec")
