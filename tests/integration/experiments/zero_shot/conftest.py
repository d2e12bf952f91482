"""The zero-shot recipe, with a tiny model that has an allocator."""

import pytest
import torch

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.lobes.allocator.policy import TokenAllocator


@pytest.fixture
def recipe(scripts_of):
    """The recipe's evaluate module."""
    scripts_of("SeedTTS/zero_shot")
    import evaluate

    return evaluate


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
