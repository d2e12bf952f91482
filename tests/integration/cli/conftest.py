"""The `gogo` command with tiny models."""

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


@pytest.fixture(scope="module")
def tokenize(tiny_codec_folder):
    """Runs `gogo tokenize`; gives the line it says, or raises what it says."""

    def run(*words):
        words = ["tokenize", *words, "--codec", tiny_codec_folder]
        found = CliRunner().invoke(app, [str(word) for word in words])
        if found.exit_code:
            raise ValueError(found.stderr.strip().splitlines()[-1])
        return found.stdout.strip()

    return run
