"""The HTTP API of `gogo serve`: speech, tokens, voices, privacy."""

import io
import os
import sys
from urllib.parse import unquote

import numpy as np
import pytest
import requests
import soundfile
import torch
from http_client import (
    DECODE,
    GROUP,
    PROMPT,
    SAYS,
    SPEECH,
    TEXT,
    error_of,
    samples_of,
    wav_bytes,
)
from web import running

from speechbrain_gogo.dataio.audio.encoding import ENCODINGS
from speechbrain_gogo.dataio.audio.files import read_audio_bytes
from speechbrain_gogo.inference import open_codec
from speechbrain_gogo.inference.marking import mark_stream
from speechbrain_gogo.inference.streaming.speech import SpeechCancelledError
from speechbrain_gogo.serving import Served, find_voices

WRITES = os.O_WRONLY | os.O_RDWR


def test_speech_equals_clone_voice(speak, model):
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


def test_cancelled_stream_generates_no_more_groups(model):
    prompt = read_audio_bytes(wav_bytes(), 24000, 3.0)
    stream = model.stream_voice(TEXT, prompt, SAYS)
    next(stream)
    made = [len(groups) for groups in stream.groups]
    stream.cancelled.set()
    with pytest.raises(SpeechCancelledError):
        list(stream)
    assert [len(groups) for groups in stream.groups] == made


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_formats_streamed_and_complete(server, encoding):
    """Tested with decoding, which is faster than synthesis and responds alike."""
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


def test_prompt_without_text_is_recognised(server, model, monkeypatch):
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


def test_codec_with_speaker_embedding(tiny_socodec_folder):
    """Its embedding is sent to the client and back; it has no allocator."""
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


def test_models_health_and_page(server):
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


def test_no_file_is_written(server, speak):
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


def test_default_voice(model, voices, monkeypatch):
    served = Served(model.codec, model, find_voices(voices))
    monkeypatch.setattr(model, "voice", served.voices["anna"])
    assert served.all_voices == ["default", "anna"]
    with running(served) as (url, _):
        said = [
            requests.post(url + SPEECH, json={"input": "So!", **voice}).content
            for voice in ({}, {"voice": "default"}, {"voice": "anna"})
        ]
    assert said[0] == said[1] == said[2]
