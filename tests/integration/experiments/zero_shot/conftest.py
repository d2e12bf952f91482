"""The zero-shot recipe, with a tiny model that has an allocator."""

import sys
from pathlib import Path

import pytest
import torch

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.lobes.allocator.policy import TokenAllocator

RECIPE = Path(__file__).resolve().parents[4] / "recipes/SeedTTS/zero_shot"


@pytest.fixture
def recipe(monkeypatch):
    """The recipe's evaluate module."""
    monkeypatch.syspath_prepend(str(RECIPE))
    import evaluate

    yield evaluate
    for path in RECIPE.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def speech(tiny_speech_folder):
    speech = GogoSpeech.from_hparams(
        tiny_speech_folder, run_opts={"device": "cpu"}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mask = speech.codec.codec.mask
        allocator = TokenAllocator(len(mask), 3, 10, 16, 1, 2, 32).eval()
        torch.nn.init.normal_(allocator.classifier.weight)
    speech.codec.mods["allocator"] = allocator
    return speech
