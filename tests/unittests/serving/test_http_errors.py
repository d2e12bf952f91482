"""The HTTP API of `gogo serve`: what it refuses, and its own failures."""

import pytest
import requests
import torch
from http_client import (
    DECODE,
    GROUP,
    PROMPT,
    SPEECH,
    TEXT,
    error_of,
    text_of,
    wav_bytes,
)
from web import running

from speechbrain_gogo.serving import Served, find_voices
from speechbrain_gogo.serving.run import host_names, listen

WRONG = {  # path, fields, status, param, part of the message
    "no text": (SPEECH, {"input": " "}, 400, "input", "text to speak"),
    "no words": (
        *(SPEECH, {"input": "\u00bf", "voice": "anna"}, 400),
        *(None, "no English words"),
    ),
    "long text": (SPEECH, {"input": "so " * 30}, 400, "input", "60 are"),
    "number": (SPEECH, {"input": 3}, 400, "input", "has to be a text"),
    "flag": (SPEECH, {"stream": 1}, 400, "stream", "has to be a flag"),
    "no flag": (SPEECH, {"seed": True}, 400, "seed", "a whole number"),
    "unknown": (SPEECH, {"tone": "x"}, 400, "tone", "there are model"),
    "speed": (SPEECH, {"speed": 2}, 400, "speed", "cannot be changed"),
    "model": (SPEECH, {"model": "tts-1"}, 404, "model", "here is 'tiny"),
    "format": (
        *(SPEECH, {"response_format": "aac"}, 400),
        *("response_format", "mp3, wav, flac, opus, pcm"),
    ),
    "no voice": (SPEECH, {}, 400, "voice", "Give a voice: one of ['anna']"),
    "voice": (SPEECH, {"voice": "alloy"}, 400, "voice", "No voice is 'al"),
    "two voices": (SPEECH, {"voice": "anna", **PROMPT}, 400, "voice", ""),
    "text alone": (SPEECH, {"prompt_text": "x"}, 400, "prompt_audio", ""),
    "base64": (
        *(SPEECH, {"prompt_audio": "?"}, 400),
        *("prompt_audio", "no base64"),
    ),
    "no audio": (
        *(SPEECH, {**PROMPT, "prompt_audio": "eA=="}, 400, None),
        "prompt_audio is no audio file",
    ),
    "long prompt": (
        *(SPEECH, {**PROMPT, "prompt_audio": text_of(wav_bytes(2.6))}),
        *(400, None, "longer than 2.5 s"),
    ),
    "sampling": (SPEECH, {"voice": "anna", "top_p": 2}, 400, None, "top_p=2"),
    "no tokens": (DECODE, {}, 400, "tokens", "[[numbers]]"),
    "ragged": (DECODE, {"tokens": [[1], [1, 2]]}, 400, "tokens", ""),
    "ids": (DECODE, {"tokens": [[99999]]}, 400, None, "99999"),
    "fractions": (DECODE, {"tokens": [[0.5]]}, 400, "tokens", ""),
    "many": (DECODE, {"tokens": [GROUP] * 17}, 413, "tokens", "3 s of"),
    "keep": (DECODE, {"tokens": [GROUP], "keep": 11}, 400, None, "keep"),
    "side": (
        *(DECODE, {"tokens": [GROUP], "side": {"x": [1.0]}}, 400),
        *("side", "decodes without x"),
    ),
    "field as side": (
        *(DECODE, {"tokens": [GROUP], "side": {"tokens": [1.0]}}, 400),
        *("side", "decodes without tokens"),
    ),
    "steps": (
        *(DECODE, {"tokens": [GROUP], "num_steps": 10**9}, 400),
        *("num_steps", "128 are the most"),
    ),
    "steps of speech": (
        *(SPEECH, {"voice": "anna", "num_steps": 129}, 400),
        *("num_steps", "128 are the most"),
    ),
    "other codec": (
        *(DECODE, {"tokens": [GROUP], "fingerprint": "0"}, 400),
        *("fingerprint", "another codec"),
    ),
    "allocator": (
        *("/v1/codec/allocate", {"tokens": [GROUP]}, 400),
        *(None, "no token allocator"),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_fields(server, case):
    path, fields, status, param, part = WRONG[case]
    if path == SPEECH:
        fields = {"input": TEXT, **fields}
    response = requests.post(server + path, json=fields)
    error = error_of(response)
    assert response.status_code == status, error
    assert error["param"] == param and part in error["message"], error
    assert requests.get(f"{server}/health").json()["open_requests"] == 0


def test_wrong_requests(server):
    json, wav = {"content-type": "application/json"}, "audio/wav"
    url = server + SPEECH
    encode = f"{server}/v1/codec/encode"

    def in_parts():
        for _ in range(4):
            yield b" " * 100_000

    found = {
        "no such path": (requests.get(f"{server}/v2"), 404),
        "method": (requests.get(url), 405),
        "form": (requests.post(url, data={"input": TEXT}), 415),
        "no JSON": (requests.post(url, data="{", headers=json), 400),
        "NaN": (requests.post(url, data='{"a": NaN}', headers=json), 400),
        "a list": (requests.post(url, json=[]), 400),
        "deep": (requests.post(url, data="[" * 99999, headers=json), 400),
        "large": (requests.post(url, json={"input": "x" * 400_000}), 413),
        "parts": (requests.post(url, data=in_parts(), headers=json), 413),
        "no audio": (
            requests.post(encode, data=b"x", headers={"content-type": wav}),
            400,
        ),
        "long audio": (
            requests.post(
                encode, data=wav_bytes(3.1), headers={"content-type": wav}
            ),
            400,
        ),
    }
    for name, (response, status) in found.items():
        error_of(response)
        assert response.status_code == status, name


def test_voices_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match="No voices in"):
        find_voices(tmp_path)
    (tmp_path / "default.flac").touch()
    with pytest.raises(ValueError, match="write what it says to default.txt"):
        find_voices(tmp_path)
    (tmp_path / "default.txt").write_text("Words.")
    with pytest.raises(ValueError, match="cannot be called 'default'"):
        find_voices(tmp_path)


def test_allowed_host_names(model):
    """A server on 127.0.0.1 refuses other host names."""
    assert host_names("0.0.0.0") is host_names("example.org") is None
    assert host_names("127.0.0.2")[-1] == "127.0.0.2"
    # Names of this machine alone, however they are written.
    assert host_names("127.1", "127.0.0.1")[-1] == "127.1"
    assert host_names("my-machine", "127.0.1.1")[-2:] == [
        "my-machine",
        "127.0.1.1",
    ]
    assert host_names("my-machine", "192.0.2.7") is None
    served = Served(model.codec, model)
    with running(served, None, host_names("127.0.0.1")) as (url, _):
        assert requests.get(f"{url}/health").ok
        evil = {"host": "evil.example"}
        refused = requests.get(f"{url}/health", headers=evil)
        assert refused.status_code == 400
    with listen(port=0) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError, match="Choose another with --host and"):
            listen(port=sock.getsockname()[1])
    with pytest.raises(OSError, match="port 70000: .* 0-65535"):
        listen(port=70000)


def test_failures_of_the_server(model, monkeypatch):
    """Before the first chunk: an error as JSON; later the connection ends."""

    def broken(*_, **__):
        yield torch.zeros(9)
        raise RuntimeError("secret")

    def stream_voice(*_, **__):
        raise RuntimeError("secret")

    monkeypatch.setattr(model, "stream_voice", stream_voice)
    with running(Served(model.codec, model)) as (url, _):
        response = requests.post(url + SPEECH, json={"input": TEXT, **PROMPT})
        assert response.status_code == 500
        assert "secret" not in error_of(response)["message"]
        monkeypatch.setattr(model.codec, "decode_stream", broken)
        fields = {"tokens": [GROUP], "stream": True, "response_format": "pcm"}
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.post(url + DECODE, json=fields)
        assert requests.get(f"{url}/health").json()["open_requests"] == 0
