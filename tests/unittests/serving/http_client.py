"""Requests to `gogo serve`, and what its responses hold."""

import base64
import io

import numpy as np
import soundfile

from speechbrain_gogo.serving import Limits

TEXT, SAYS = "Why? So!", "The quick brown fox."
LIMITS = Limits(characters=60, bytes=300_000, seconds=3.0, prompt_seconds=2.5)


def wav_bytes(seconds=2.0, rate=16000):
    noise = 0.1 * np.random.default_rng(0).normal(size=round(rate * seconds))
    file = io.BytesIO()
    soundfile.write(file, noise, rate, format="WAV")
    return file.getvalue()


def text_of(data):
    return base64.b64encode(data).decode()


PROMPT = {"prompt_audio": text_of(wav_bytes()), "prompt_text": SAYS}


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


SPEECH, DECODE = "/v1/audio/speech", "/v1/codec/decode"
GROUP = list(range(10))
