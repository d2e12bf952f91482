"""A tiny model that is served on this machine."""

import pytest
import requests
from http_client import LIMITS, SAYS, TEXT, wav_bytes
from web import running

from speechbrain_gogo.inference import open_speech
from speechbrain_gogo.serving import Served, find_voices


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    (folder / "anna.wav").write_bytes(wav_bytes())
    (folder / "anna.txt").write_text(f"{SAYS}\n")
    return folder


@pytest.fixture(scope="module")
def model(tiny_speech_folder):
    return open_speech(tiny_speech_folder, one_utterance=True)


@pytest.fixture(scope="module")
def server(model, voices):
    served = Served(model.codec, model, find_voices(voices), limits=LIMITS)
    with running(served) as (url, _):
        yield url


@pytest.fixture
def speak(server):
    """Posts to /v1/audio/speech."""

    def run(**fields):
        fields = {"input": TEXT, "response_format": "pcm", **fields}
        return requests.post(f"{server}/v1/audio/speech", json=fields)

    return run
