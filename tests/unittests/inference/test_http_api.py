"""The HTTP API of `gogo serve`: its answers, its errors, its limits."""

import base64
import io
import os
import sys
from urllib.parse import unquote

import numpy as np
import pytest
import requests
import soundfile
import torch
from web import running

from speechbrain_gogo.dataio.audio.encoding import ENCODINGS
from speechbrain_gogo.dataio.audio.files import read_audio_bytes
from speechbrain_gogo.inference import open_codec, open_speech
from speechbrain_gogo.inference.marking import mark_stream
from speechbrain_gogo.inference.streaming import SpeechCancelledError
from speechbrain_gogo.serving import Limits, Served, find_voices
from speechbrain_gogo.serving.run import host_names, listen

TEXT, SAYS = "Why? So!", "The quick brown fox."
WRITES = os.O_WRONLY | os.O_RDWR
LIMITS = Limits(characters=60, bytes=300_000, seconds=3.0, prompt_seconds=2.5)


def wav_bytes(seconds=2.0, rate=16000):
    noise = 0.1 * np.random.default_rng(0).normal(size=round(rate * seconds))
    file = io.BytesIO()
    soundfile.write(file, noise, rate, format="WAV")
    return file.getvalue()


def text_of(data):
    return base64.b64encode(data).decode()


PROMPT = {"prompt_audio": text_of(wav_bytes()), "prompt_text": SAYS}


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


def samples_of(response):
    assert response.status_code == 200, response.text
    return np.frombuffer(response.content, "<i2").astype(np.float32) / 32767


def error_of(response):
    """An error has OpenAI's shape."""
    assert response.headers["content-type"] == "application/json"
    [(key, error)] = response.json().items()
    assert key == "error"
    assert set(error) == {"message", "type", "param", "code"}
    server_error = response.status_code >= 500
    assert error["type"] == (
        "server_error" if server_error else "invalid_request_error"
    )
    return error


def test_speech_is_the_models(speak, model):
    prompt = torch.from_numpy(soundfile.read(io.BytesIO(wav_bytes()))[0])
    expected = model.clone_voice(
        TEXT, prompt, SAYS, seed=3, sample_rate=16000, top_k=9
    )
    settings = {"seed": 3, "top_k": 9, **PROMPT}
    response = speak(**settings)
    marked = torch.cat(list(mark_stream([expected.wav], 24000)))
    assert np.allclose(samples_of(response), marked, atol=2e-5)
    assert response.headers["x-finished"] == str(expected.finished).lower()
    # The voice by name is the same recording; another seed says it otherwise.
    named = speak(voice="anna", seed=3, top_k=9)
    assert named.content == response.content
    other = speak(**{**settings, "seed": 4})
    assert other.content != response.content
    # What an OpenAI client sends beside.
    head = f"data:audio/wav;base64,{PROMPT['prompt_audio']}"
    again = speak(
        **{**settings, "prompt_audio": head, "voice": "prompt"},
        speed=1.0,
        instructions="",
        stream_format="audio",
        top_p=None,
    )
    assert again.content == response.content


def test_a_cancelled_stream_makes_no_more_groups(model):
    prompt = read_audio_bytes(wav_bytes(), 24000, 3.0)
    stream = model.stream_voice(TEXT, prompt, SAYS)
    next(stream)
    made = [len(groups) for groups in stream.groups]
    stream.cancelled.set()
    with pytest.raises(SpeechCancelledError):
        list(stream)
    assert [len(groups) for groups in stream.groups] == made


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_format_streamed_and_whole(server, encoding):
    """By the codec, which is faster than to speak; the response is the same."""
    fields = {"tokens": np.arange(60).reshape(6, 10).tolist(), "keep": 4}
    fields["response_format"] = encoding
    url = f"{server}/v1/codec/decode"
    whole = requests.post(url, json=fields)
    streamed = requests.post(url, json={**fields, "stream": True})
    assert int(whole.headers["content-length"]) == len(whole.content)
    assert streamed.headers["transfer-encoding"] == "chunked"
    expected = requests.post(url, json={**fields, "response_format": "pcm"})
    expected = samples_of(expected)
    assert len(expected) == 6 * 5120
    for response in (whole, streamed):
        media_type = ENCODINGS[encoding].media_type
        assert response.headers["content-type"] == media_type
        if encoding == "pcm":
            found = samples_of(response)
        else:
            found = read_audio_bytes(response.content, 24000, 3.0).numpy()
        if encoding in ("pcm", "wav", "flac"):
            assert np.allclose(found, expected, atol=1e-4)
        else:
            assert 0 <= len(found) - len(expected) < 3000  # of the last frame
            assert 0.5 < found.std() / expected.std() < 1.5


def test_a_prompt_without_text_is_recognised(server, model, monkeypatch):
    heard = []

    def transcribe(wav, recognizer=None):
        heard.append(len(wav))
        return "The lazy dog \u2026"

    monkeypatch.setattr(model, "transcribe", transcribe)
    fields = {"input": "So!", "prompt_audio": PROMPT["prompt_audio"]}
    response = requests.post(f"{server}/v1/audio/speech", json=fields)
    assert response.headers["content-type"] == "audio/mpeg"  # OpenAI's default
    assert unquote(response.headers["x-prompt-text"]) == "The lazy dog \u2026"
    assert heard == [48000]


SPEECH, DECODE = "/v1/audio/speech", "/v1/codec/decode"
GROUP = list(range(10))
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


def test_recordings_to_tokens_and_back(server, model):
    url, codec = f"{server}/v1/codec", model.codec
    headers = {"content-type": "audio/wav"}
    found = requests.post(f"{url}/encode", wav_bytes(), headers=headers).json()
    wav = read_audio_bytes(wav_bytes(), 24000, 3.0)
    tokens = codec.encode_batch(wav)[0]
    assert found["tokens"] == tokens[0].tolist()
    assert found["num_samples"] == len(wav) == 48000
    assert found["fingerprint"] == codec.fingerprint
    for keep in (1, [3, 4, 5, 6, 7, 8, 9, 10, 3, 3]):
        settings = {"keep": keep, "seed": 5, "num_steps": 2}
        fields = {**found, **settings, "response_format": "pcm"}
        decoded = requests.post(f"{url}/decode", json=fields)
        if keep != 1:
            settings["keep"] = torch.tensor([keep])
        expected, _ = codec.decode_batch(tokens, num_samples=48000, **settings)
        expected = expected[0].clamp(-1, 1)
        assert np.allclose(samples_of(decoded), expected, atol=2e-5)


def test_a_codec_with_a_voice_and_no_speech(tiny_socodec_folder):
    """Its embedding goes to the client and back; it allocates nothing."""
    codec = open_codec(tiny_socodec_folder)
    with running(Served(codec)) as (url, _):
        [entry] = requests.get(f"{url}/v1/models").json()["data"]
        assert not entry["speaks"] and not entry["allocates"]
        assert not entry["allocates_speech"]
        assert entry["tokens_kept"] == [1, 2, 3, 4]
        headers = {"content-type": "audio/wav"}
        data = wav_bytes(1.0)
        found = requests.post(f"{url}/v1/codec/encode", data, headers=headers)
        fields = {**found.json(), "response_format": "pcm"}
        decoded = samples_of(requests.post(url + DECODE, json=fields))
        wav = read_audio_bytes(data, codec.sample_rate, 3.0)
        tokens, _ = codec.encode_batch(wav)
        expected, _ = codec.decode_batch(
            tokens, num_samples=len(wav), **codec.side_information(wav[None])
        )
        assert np.allclose(decoded, expected[0], atol=2e-5)
        refused = requests.post(url + SPEECH, json={"input": TEXT})
        assert "cannot speak" in error_of(refused)["message"]


def test_allocation(server, model, monkeypatch):
    def allocate(tokens, target_rate=None):
        assert tokens.shape == (1, 2, 10)
        assert target_rate == 30
        return torch.tensor([[3, 8]])

    monkeypatch.setattr(model.codec, "allocate", allocate)
    fields = {"tokens": [GROUP] * 2, "target_rate": 30}
    found = requests.post(f"{server}/v1/codec/allocate", json=fields).json()
    assert found["budgets"] == [3, 8]
    assert found["token_rate"] == pytest.approx(5.5 * 4.6875)


def test_what_is_there_to_see(server):
    models = requests.get(f"{server}/v1/models").json()
    assert models["object"] == "list"
    [entry] = models["data"]
    assert entry["object"] == "model" and entry["id"].startswith("tiny_speech")
    assert entry["voices"] == ["anna"] and entry["sample_rate"] == 24000
    assert entry["tokens_kept"] == list(range(1, 11))
    health = requests.get(f"{server}/health").json()
    assert health["status"] == "ok" and health["open_requests"] == 0
    page = requests.get(server)
    assert "synthetic" in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    for name in ("page.js", "sound.js", "page.css"):
        file = requests.get(f"{server}/page/{name}")
        assert file.ok and "http" not in file.text.replace("HTTP", "")
    assert requests.get(f"{server}/page/../app.py").status_code == 404


def test_nothing_is_stored(server, speak):
    """No file is opened to be written while requests are served."""
    assert speak(**PROMPT).ok  # libraries are imported, which cache their code
    opened, watching = [], True

    def audit(event, details):
        if watching and event == "open":
            path, mode, flags = details  # there is no mode in os.open
            if set(mode) & set("wax+") if mode else flags & WRITES:
                opened.append(path)

    sys.addaudithook(audit)  # for the rest of the process
    try:
        assert speak(**PROMPT).ok
        assert speak(**PROMPT, response_format="mp3", stream=True).ok
        headers = {"content-type": "audio/wav"}
        url = f"{server}/v1/codec/encode"
        assert requests.post(url, wav_bytes(), headers=headers).ok
        assert not opened
        open("/dev/null", "w").close()
        assert opened == ["/dev/null"]
    finally:
        watching = False


def test_voices_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match="No voices in"):
        find_voices(tmp_path)
    (tmp_path / "default.flac").touch()
    with pytest.raises(ValueError, match="write what it says to default.txt"):
        find_voices(tmp_path)
    (tmp_path / "default.txt").write_text("Words.")
    with pytest.raises(ValueError, match="cannot be called 'default'"):
        find_voices(tmp_path)


def test_the_models_own_voice(model, voices, monkeypatch):
    served = Served(model.codec, model, find_voices(voices))
    monkeypatch.setattr(model, "voice", served.voices["anna"])
    assert served.all_voices == ["default", "anna"]
    with running(served) as (url, _):
        said = [
            requests.post(url + SPEECH, json={"input": "So!", **voice}).content
            for voice in ({}, {"voice": "default"}, {"voice": "anna"})
        ]
    assert said[0] == said[1] == said[2]


def test_who_may_call(model):
    """A server of this machine alone refuses names of other sites."""
    assert host_names("0.0.0.0") is host_names("example.org") is None
    assert host_names("127.0.0.2")[-1] == "127.0.0.2"
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
