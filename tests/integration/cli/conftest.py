"""The `gogo` command with the tiny model that speaks."""

import pytest
from typer.testing import CliRunner

from speechbrain_gogo.cli import app


@pytest.fixture(scope="module")
def gogo(tiny_speech_folder):
    """Runs a command with this model, or another codec; gives its result."""

    def run(*words, codec=tiny_speech_folder):
        words = [str(word) for word in words]
        return CliRunner().invoke(app, [*words, "--codec", str(codec)])

    return run
