"""Vocoders: sample-exact lengths, exact windows, strict files."""

import pytest
import safetensors.torch
import soundfile
import torch
import yaml
from vocos.heads import ISTFTHead

from speechbrain_gogo.brains.vocoder import DISTANCES, VocoderBrain
from speechbrain_gogo.inference.demo.run import EXAMPLE
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.vocoder.vocoders import (
    GriffinLimVocoder,
    VocosVocoder,
)
from speechbrain_gogo.lobes.vocoder.vocos_files import write_vocos
from speechbrain_gogo.lobes.vocoder.windows import vocode_in_windows

HOP = 256


@pytest.fixture(scope="module")
def vocos():
    torch.manual_seed(0)
    vocoder = VocosVocoder(100, 24, 48, 3).eval()
    for parameter in vocoder.parameters():  # so that every frame is heard
        torch.nn.init.normal_(parameter, std=0.2)
    return vocoder


def tone_mel(frames):
    time = torch.arange(frames * HOP) / 24000
    sweep = torch.sin(2 * torch.pi * (200 + 400 * time) * time)
    return VocosMel()(0.3 * sweep.unsqueeze(0))


def test_vocos_gives_whole_hops_and_equals_vocos(vocos):
    mel = torch.randn(2, 30, 100)
    with torch.no_grad():
        wavs = vocos(mel)
        head = ISTFTHead(24, 1024, HOP, padding="center")
        head.out = vocos.head.out
        theirs = head(vocos.backbone(mel.transpose(1, 2)))
    assert wavs.shape == (2, 30 * HOP)
    assert theirs.shape == (2, 29 * HOP)
    torch.testing.assert_close(wavs[:, : 29 * HOP], theirs)
    assert torch.isfinite(wavs).all()


def test_vocos_in_half_precision(vocos):
    """Only the backbone computes in half precision, not the inverse STFT."""
    mel = torch.randn(1, 20, 100, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        wavs = vocos(mel)
        wavs.square().sum().backward()
    assert wavs.dtype == torch.float32 and mel.grad.isfinite().all()
    torch.testing.assert_close(wavs, vocos(mel), rtol=0.1, atol=0.1)


def test_vocos_context_is_its_receptive_field(vocos):
    mel, frame = torch.randn(1, 60, 100, requires_grad=True), 20
    vocos(mel)[:, frame * HOP : (frame + 1) * HOP].abs().sum().backward()
    heard = mel.grad.abs().sum(dim=(0, 2)).nonzero().flatten()
    assert heard.max() == frame + vocos.context
    assert frame - vocos.context <= heard.min() < frame


@pytest.mark.parametrize("window", [1, 23, 80])
def test_windows_equal_the_whole(vocos, window):
    mel = torch.randn(2, 75, 100)
    with torch.no_grad():
        whole = vocos(mel)
    pieces = list(vocode_in_windows(vocos, mel, window))
    assert all(p.shape[1] == window * HOP for p in pieces[:-1])
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)
    uneven = iter(mel.split([1, 40, 4, 30], dim=1))  # as a decoder makes them
    pieces = list(vocode_in_windows(vocos, uneven, window))
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)


def test_griffin_lim_windows_equal_the_whole():
    vocoder, mel = GriffinLimVocoder(num_iterations=8), tone_mel(150)
    whole = vocoder(mel)
    assert vocoder.context < 40
    pieces = list(vocode_in_windows(vocoder, mel, 40))
    error = (torch.cat(pieces, dim=1) - whole).abs().max()
    assert error < 1e-4 * whole.abs().max()


def test_griffin_lim_gives_a_close_mel():
    wav = torch.from_numpy(soundfile.read(EXAMPLE, dtype="float32")[0])
    mel = VocosMel()(wav[: 200 * HOP].unsqueeze(0))
    vocoder = GriffinLimVocoder()
    wavs = vocoder(mel)
    assert wavs.shape == (1, 200 * HOP)
    assert (VocosMel()(wavs) - mel).abs().mean() < 0.15  # 3.4 from silence
    assert torch.equal(vocoder(mel), wavs)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_griffin_lim_of_few_frames(frames):
    wavs = GriffinLimVocoder(num_iterations=2)(tone_mel(frames))
    assert wavs.shape == (1, frames * HOP)
    assert torch.isfinite(wavs).all()


@pytest.mark.parametrize("shape", [(2, 100, 30), (30, 100), (1, 0, 100)])
def test_other_shapes_are_refused(vocos, shape):
    for vocoder in (vocos, GriffinLimVocoder(num_iterations=1)):
        with pytest.raises(ValueError, match="batch, frames, 100"):
            vocoder(torch.zeros(shape))


def test_loads_the_files_of_vocos(vocos, tmp_path):
    """With the hub's layout: a pickle with filters and window."""
    write_vocos(vocos, tmp_path)
    (tmp_path / "vocoder.safetensors").unlink()
    weights = vocos.state_dict()
    weights["head.istft.window"] = torch.hann_window(1024)
    weights["feature_extractor.mel_spec.mel_scale.fb"] = torch.ones(513, 100)
    torch.save(weights, tmp_path / "pytorch_model.bin")
    loaded = VocosVocoder.from_source(tmp_path)
    mel = torch.randn(1, 20, 100)
    with torch.no_grad():
        assert torch.equal(loaded(mel), vocos(mel))


def test_mismatched_weights_are_refused(vocos, tmp_path):
    write_vocos(vocos, tmp_path)
    path = tmp_path / "vocoder.safetensors"
    # Not of a file that is written over: tensors of older releases stay there.
    weights = safetensors.torch.load(path.read_bytes())
    bias = weights.pop("head.out.bias")
    safetensors.torch.save_file(weights, path)
    with pytest.raises(ValueError, match="head.out.bias"):
        VocosVocoder.from_source(tmp_path)
    weights.update({"head.out.bias": bias, "head.more": bias.clone()})
    safetensors.torch.save_file(weights, path)
    with pytest.raises(ValueError, match="head.more"):
        VocosVocoder.from_source(tmp_path)


def test_other_files_are_refused(vocos, tmp_path):
    with pytest.raises(ValueError, match="config.yaml"):
        VocosVocoder.from_source(tmp_path)
    write_vocos(vocos, tmp_path)
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    config["head"]["init_args"]["padding"] = "same"  # frames elsewhere
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="centred frames"):
        VocosVocoder.from_source(tmp_path)


def test_pickled_code_is_refused(vocos, tmp_path):
    write_vocos(vocos, tmp_path)
    (tmp_path / "vocoder.safetensors").unlink()
    torch.save({"head.out.bias": print}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="refused"):
        VocosVocoder.from_source(tmp_path)


def test_a_weight_needs_its_loss(tmp_path):
    nothing = torch.nn.Identity()
    hparams = {
        **dict.fromkeys(("mel", "ema", "mel_loss"), nothing),
        **dict.fromkeys(DISTANCES.values()),
        "output_folder": tmp_path,
        "loss_weights": {**dict.fromkeys(DISTANCES, 0.0), "hearing": 1.0},
    }
    with pytest.raises(ValueError, match="'hearing', but hearing_loss is null"):
        VocoderBrain({}, torch.optim.SGD, hparams, {"device": "cpu"})
