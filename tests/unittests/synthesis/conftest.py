"""A tiny GogoSpeech and a prompt."""

import pytest
import torch

from speechbrain_gogo.inference import GogoSpeech


@pytest.fixture(scope="module")
def speech(tiny_speech_folder):
    return GogoSpeech.from_hparams(
        tiny_speech_folder, run_opts={"device": "cpu"}
    )


@pytest.fixture(scope="module")
def prompt():
    generator = torch.Generator().manual_seed(1)
    return 0.1 * torch.randn(3 * 24000, generator=generator)
