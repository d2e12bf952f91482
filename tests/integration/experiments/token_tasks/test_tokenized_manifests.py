"""Manifests and their tokens, as recipes that learn from tokens make them."""

import csv
import shutil

import pytest

from recipes.common.manifests import prepare_manifests
from recipes.common.tokens import tokenized_dataset
from speechbrain_gogo.inference import GogoTokenizer


@pytest.fixture
def tokenized(script, tiny_corpus, tiny_codec_folder, tmp_path):
    """Makes the tokens of a stage of the tiny corpus, with settings."""
    make = tokenized_dataset

    def run(stage, **overrides):
        tokenizer = overrides.pop("tokenizer", None)
        settings = {
            "tokenizer": tokenizer or GogoTokenizer(tiny_codec_folder),
            f"{stage}_csv": tiny_corpus / "valid.csv",
            "data_folder": tiny_corpus,
            "tokens_folder": tmp_path / "tokens",
            "clips": {"batch_seconds": 10, "max_duration": 2.0},
            "front_end": None,
            "num_workers": 0,
            "tokenizing_device": "cpu",
        }
        return make(settings | overrides, stage)

    return run


def test_test_set_is_complete_or_refused(tokenized, tiny_corpus, tmp_path):
    """Clips of any length are used; unusable ones are errors."""
    with open(tiny_corpus / "valid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert any(float(row["duration"]) > 2 for row in rows)
    with pytest.raises(ValueError, match="No usable clip|No clip"):
        tokenized("valid", clips={"batch_seconds": 10, "max_duration": 0.1})
    assert len(tokenized("test")) == len(rows)

    data = tmp_path / "data"
    shutil.copytree(tiny_corpus, data)
    with pytest.raises(ValueError, match=f"data_root is .* and {data} here"):
        tokenized("test", data_folder=data)
    gone = data / rows[1]["wav"].removeprefix("$data_root/")
    gone.rename(gone.with_suffix(".away"))
    fresh = {"data_folder": data, "tokens_folder": tmp_path / "fresh"}
    with pytest.raises(ValueError, match=f"1 of 4 .* missing, the .*{gone}"):
        tokenized("test", **fresh)
    gone.write_bytes(b"no audio")
    with pytest.raises(ValueError, match=f"first: {rows[1]['ID']}. Mend"):
        tokenized("test", **fresh)


def test_codec_tokenises_on_the_device_of_the_run(tokenized, tiny_codec_folder):
    """It is moved back afterwards."""
    tokenizer, places = GogoTokenizer(tiny_codec_folder), []
    tokenizer.to = lambda place: places.append(place) or tokenizer
    tokenized("test", tokenizer=tokenizer, tokenizing_device="cuda:0")
    assert places == ["cuda:0", "cpu"]


def test_manifests_of_other_splits_are_refused(tiny_corpus):
    settings = {
        "data_folder": str(tiny_corpus),
        "train_csv": tiny_corpus / "train.csv",
        "train_splits": ["train-clean-100"],
    }
    prepare_manifests(settings, ["train"])
    for splits in (["train-clean-360"], ["train-clean-100", "dev-clean"]):
        with pytest.raises(ValueError, match="there already.*Choose another"):
            prepare_manifests({**settings, "train_splits": splits}, ["train"])
