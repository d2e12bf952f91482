"""Scripts and command lines of the recipes that learn from tokens."""

import runpy
import sys
from pathlib import Path

import pytest

from recipes.common.settings import compose

RECIPES = Path(__file__).resolve().parents[4] / "recipes" / "LibriTTS"
STAGES = ("train", "valid", "test")


@pytest.fixture
def script(monkeypatch):
    """Runs a file of the recipes, with its neighbours at hand."""
    before = set(sys.modules)

    def run(name):
        path = RECIPES / name
        monkeypatch.syspath_prepend(path.parent)
        return runpy.run_path(str(path))

    yield run
    for name in set(sys.modules) - before:
        if "recipes" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def settings(tiny_corpus, tiny_tokens, tiny_codec_folder, tmp_path):
    """Makes a recipe's command line; every stage is the training clips."""
    (tmp_path / "tokens").mkdir()
    for stage in ("train", "valid"):  # the clips are tokenised already
        (tmp_path / "tokens" / stage).symlink_to(tiny_tokens / "train")

    def line(recipe, **overrides):
        known = compose(RECIPES / recipe / "hparams" / "train.yaml")
        given = {
            "data_folder": tiny_corpus,
            "skip_prep": True,
            "language": "null",
            "source": tiny_codec_folder,
            "tokens_folder": tmp_path / "tokens",
            "num_workers": 0,
            "warmup_steps": 2,
            "device": "cpu",
            **dict.fromkeys(
                (f"{stage}_csv" for stage in STAGES), tiny_corpus / "train.csv"
            ),
            **overrides,
        }
        return [
            f"--{key}={value}"
            for key, value in given.items()
            if key in known or key == "device"
        ]

    return line
