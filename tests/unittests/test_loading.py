"""Models from elsewhere: what is trusted, and what does not fit."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading import check_trust


@pytest.fixture
def folder(tiny_codec_folder, tmp_path):
    return shutil.copytree(tiny_codec_folder, tmp_path / "codec")


@pytest.mark.parametrize(
    "line",
    [
        "!apply:os.system [echo]",
        "!apply:torch.hub.load [a, b]",
        "!new:subprocess.Popen",
        "!new:torch.utils.cpp_extension.subprocess.Popen",
        "!name:torch.os.system",
        "!new:torch.no_such_class",
        "!module:os",
        "!include:other.yaml",
        "!!python/object/apply:os.system [echo]",
    ],
)
def test_foreign_code_is_refused(tmp_path, line):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(f"a: 1\nb:\n    - {line}\n")
    with pytest.raises(ValueError, match="line 3"):
        check_trust(path)


def test_known_classes_are_trusted(tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(
        "a: !new:torch.nn.Linear\n    in_features: 1\n    out_features: 2\n"
        "b: !ref <a>\nc: !new:speechbrain_gogo.lobes.mel.VocosMel\n"
    )
    check_trust(path)


def test_trust_can_be_given(folder):
    path = folder / "hyperparams.yaml"
    path.write_text(path.read_text() + "when: !apply:time.time []\n")
    with pytest.raises(ValueError, match="trust_source=True"):
        GogoCodec.from_hparams(folder)
    assert GogoCodec.from_hparams(folder, trust_source=True).hparams.when > 0


def test_pickled_weights_are_not_read(folder):
    weights = folder / "codec.safetensors"
    torch.save(load_file(str(weights)), folder / "codec.ckpt")
    weights.unlink()
    with pytest.raises(ValueError, match="Only safetensors"):
        GogoCodec.from_hparams(folder)
    shutil.move(folder / "codec.ckpt", weights)
    with pytest.raises(ValueError, match="no safetensors"):
        GogoCodec.from_hparams(folder)


def test_wrong_weights_are_listed(folder):
    path = folder / "codec.safetensors"
    weights = load_file(str(path))
    weights["stranger"] = torch.zeros(1)
    del weights["mask"]
    weights["places"] = torch.zeros(3, 3)
    save_file(weights, str(path))
    with pytest.raises(ValueError) as error:
        GogoCodec.from_hparams(folder)
    message = str(error.value)
    assert "missing mask" in message and "unexpected stranger" in message
    assert "places is [3, 3]" in message


def test_unknown_source(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="no hyperparams.yaml"):
        GogoCodec.from_hparams(tmp_path)
    with pytest.raises(ValueError, match="No model 'no such/model'"):
        GogoCodec.from_hparams("no such/model")
