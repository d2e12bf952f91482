"""What a dry run says of data that is not as it should be."""

import huggingface_hub.constants as hub
import pytest
import torch
from ruamel.yaml import YAML

from recipes.common.dry_run.inputs import find_inputs
from recipes.common.dry_run.plan import conclude, describe_outputs
from recipes.common.dry_run.resources import Size, measure


def test_frozen_weights_have_neither_gradients_nor_moments():
    frozen = torch.nn.Linear(7, 1, bias=False).requires_grad_(False)
    model = torch.nn.Sequential(torch.nn.Linear(3, 7, bias=False), frozen)
    size = measure({"modules": {"model": model}, "vocoder": frozen})
    assert size == ({"model": 21}, 4 * 21, 4 * 7)
    assert size.bytes_of_training(moments=8) == 21 * (4 + 4 + 8) + 4 * 7


def test_bytes_of_a_checkpoint(tmp_path):
    """Weights, moments of AdamW, and averages, if checkpoints are saved."""
    size = Size({"model": 1000}, 4000, 4000)
    hparams = {"checkpointer": object()}
    plain = {"output_folder": str(tmp_path)}
    *_, line = describe_outputs(plain, size, hparams)
    assert "checkpoints: 1.6e-05 GB each" in line
    (line,) = describe_outputs(plain, size, {})
    assert "checkpoints" not in line


def test_clips_that_are_missing_are_counted_by_reason(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "train.csv").write_text(
        "ID,duration,wav,wrd\n"
        "a,7.2,$data_root/a.wav,Yes.\n"
        "b,7.2,$data_root/b.wav,No.\n"
        "c,0.1,$data_root/a.wav,No.\n"
    )
    (tmp_path / "dev-clean" / "1").mkdir(parents=True)
    (tmp_path / "dev-clean" / "1" / "x.wav").touch()
    settings = {
        "data_folder": str(tmp_path),
        "train_csv": str(tmp_path / "train.csv"),
        "valid_csv": str(tmp_path / "valid.csv"),
        "valid_splits": ["dev-clean"],
        "test_csv": str(tmp_path / "test.csv"),
        "test_splits": ["test-clean"],
        "min_seconds": 1.0,
        "max_seconds": 20.0,
        "source": "gogo-mini",
        "start_from": "somebody/else",
    }
    found = {each.name: each for each in find_inputs(settings)}
    train = found["train_csv"]
    assert "used 1 + skipped 2 (missing file: 1, not 1 to 20 s" in train.text
    assert train.hours == 7.2 / 3600 and not train.missing
    assert "dev-clean: 1 wav files" in found["valid_csv"].text
    missing = [name for name, each in found.items() if each.missing]
    assert missing == ["test_csv"]  # no such split
    assert "a folder of" in found["source"].text
    assert found["start_from"].download == "somebody/else"


def test_models_and_files_that_are_not_there(tmp_path):
    settings = {
        "start_from": "coded_by",
        "recognizer": "pocketsphinx",
        "coded_by": str(tmp_path / "export"),
        "wavlm_checkpoint": "wavlm_large_finetune.pth",
        "published": "rows.csv",
        "noise_folder": "rows.csv",
    }
    (tmp_path / "rows.csv").touch()
    found = find_inputs(settings, folder=tmp_path)
    missing = "coded_by, wavlm_checkpoint, noise_folder"
    assert conclude(found, True) == f"Missing: {missing}."


def test_tokens_and_tars_that_are_not_there(tmp_path):
    settings = {
        "train_tokens": [str(tmp_path)],
        "train_shards": str(tmp_path),
        "valid_shards": str(tmp_path),
    }
    tokens, shards = find_inputs(settings)
    assert tokens.missing and "no corpus.json" in tokens.text
    assert shards.missing and "No tar file" in shards.text


def test_tars_that_are_too_few_for_the_workers(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.tar").touch()
    settings = {
        "train_shards": str(tmp_path),
        "valid_shards": str(tmp_path / "0.tar"),
        "epoch_batches": 10,
        "num_workers": 1,
    }
    train, valid = find_inputs(settings)
    assert "3 tars" in train.text and not train.missing
    assert "at most 3 processes of 1 workers" in train.text
    assert "1 tars" in valid.text and not valid.missing
    train, _ = find_inputs({**settings, "num_workers": 4})
    assert train.missing


TREE = """
source: gogo-mini
metrics: [words]
model:
    llama: !apply:a.function
        source: owner/cached
        pretrained: True
hearing_source: owner/half
judges:
    words: !name:speechbrain_gogo.metrics.find_recognizer
        source: null
    wavlm: !name:a.Judge
        source: owner/of_a_judge_that_is_not_asked
systems: [folder]
baselines:
    dac: !name:a.System
        checkpoint: owner/of_a_system_that_is_not_asked
    folder: !name:systems.FolderSystem
        checkpoint: owner/that_made_the_audio
"""


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """A cache with a whole model, and one whose download was cut."""
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    for name, file in (("cached", "model.safetensors"), ("half", "a.json")):
        folder = tmp_path / f"models--owner--{name}"
        for part in ("refs", "snapshots/abc"):
            (folder / part).mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc")
        (folder / "snapshots" / "abc" / file).write_bytes(bytes(2_000_000))
    return tmp_path


def test_models_of_the_hub_are_in_its_cache_or_to_be_downloaded(
    hub_cache, monkeypatch
):
    tree = YAML().load(TREE)
    plain = {"source": "gogo-mini", "start_from": "coded_by"}
    found = {each.name: each for each in find_inputs(plain, tree)}
    assert found.keys() == {
        *("source", "model, llama, source", "hearing_source", "judges, words")
    }
    cached = found["model, llama, source"]
    assert "in its cache, 2.0 MB" in cached.text and not cached.download
    half = found["hearing_source"]
    assert half.download == "owner/half" and str(hub_cache) in half.text
    assert found["judges, words"].download == "openai/whisper-base"
    assert not any(each.missing for each in found.values())
    said = conclude(found.values(), created=True)
    assert said == (
        "To be downloaded from the hub: owner/half, openai/whisper-base.\n"
        "All else is there."
    )
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    found = find_inputs(plain, tree)
    said = conclude(found, created=True)
    assert said == "Missing: hearing_source, judges, words."
