"""The robustness recipe's modules can be imported."""

import pytest


@pytest.fixture(autouse=True)
def recipe(scripts_of):
    """The folder of the recipe."""
    return scripts_of("LibriTTS/robustness")
