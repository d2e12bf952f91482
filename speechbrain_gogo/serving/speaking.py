"""POST /v1/audio/speech: text to speech.

The fields are those of OpenAI's API, and additionally a recording of a voice
(``prompt_audio``, ``prompt_text``), ``seed``, ``allocate`` and the settings of
the model's ``clone_voice``.
"""

import base64
import binascii
from urllib.parse import quote

from speechbrain_gogo.dataio.audio.files import read_audio_bytes
from speechbrain_gogo.inference.marking import SYNTHETIC, mark_stream
from speechbrain_gogo.serving.audio import (
    FIELDS,
    check_format,
    respond_with_audio,
)
from speechbrain_gogo.serving.errors import ApiError
from speechbrain_gogo.serving.models import OWN_VOICE, PROMPT
from speechbrain_gogo.serving.requests import read_json

# Fields of OpenAI's API that a model here does not have, with the values that
# change nothing.
NEUTRAL = {"speed": 1, "instructions": "", "stream_format": "audio"}


async def create_speech(request):
    """Speak a text; the response is audio.

    An ApiError or a ValueError is raised if a field of the request is wrong.
    """
    served = request.app.state.served
    if served.speech is None:
        raise ApiError(f"'{served.name}' is a codec: it cannot speak.", "model")
    settings = dict.fromkeys(served.speech.SETTINGS, "number")
    fields = {
        **dict.fromkeys(("model", "input", "voice"), "text"),
        **FIELDS,
        **dict.fromkeys(("prompt_audio", "prompt_text"), "text"),
        "seed": "whole number",
        "allocate": "flag",
        **settings,
        "speed": "number",
        **dict.fromkeys(("instructions", "stream_format"), "text"),
    }
    given = await read_json(request, fields, served.limits.bytes)
    served.check_model(given.get("model"))
    served.check_steps(given.get("num_steps"))
    check_format(given)
    _check_neutral(given)
    _check_text(given, served.limits.characters)
    voice = _find_voice(given, served)
    sampling = {name: given[name] for name in settings if name in given}

    def make_pieces(job):
        prompt, prompt_text = _read_voice(voice, served, job)
        stream = served.speech.stream_voice(
            given["input"],
            prompt,
            prompt_text,
            allocate=given.get("allocate", True),
            seed=given.get("seed", 0),
            **sampling,
        )
        stream.cancelled = job.stopped
        yield from mark_stream(stream, rate)
        finished = stream.speech().finished
        job.headers["X-Finished"] = str(finished).lower()

    rate = served.codec.sample_rate
    return await respond_with_audio(
        request, given, make_pieces, rate, SYNTHETIC
    )


def _check_neutral(given):
    for name, value in NEUTRAL.items():
        if given.get(name, value) != value:
            raise ApiError(
                f"{name} cannot be changed here: leave it out.",
                name,
                "unsupported_value",
            )


def _check_text(given, most):
    text = given.get("input", "")
    if not text.strip():
        raise ApiError("Give input, the text to speak.", "input")
    if len(text) > most:
        raise ApiError(
            f"input has {len(text)} characters: {most} are the most.",
            "input",
            "string_above_max_length",
        )


def _find_voice(given, served):
    """A recording's bytes or path, and its transcript; None for the own voice."""
    names, voice = served.all_voices, given.get("voice")
    if "prompt_audio" in given:
        if voice not in (None, PROMPT):
            raise ApiError(
                f"prompt_audio is a voice of its own: leave voice out, or "
                f"'{PROMPT}'.",
                "voice",
            )
        return _decode(given["prompt_audio"]), given.get("prompt_text")
    if "prompt_text" in given:
        raise ApiError(
            "prompt_text belongs to prompt_audio: give it.", "prompt_audio"
        )
    if voice is None and OWN_VOICE in names:
        voice = OWN_VOICE
    if voice not in names:
        what = "Give a voice" if voice is None else f"No voice is '{voice}'"
        raise ApiError(
            f"{what}: one of {names}, or a recording as prompt_audio.",
            "voice",
            "invalid_value",
        )
    return (None, None) if voice == OWN_VOICE else served.voices[voice]


def _decode(text):
    """The bytes of base64, with or without the head of a data URL."""
    head, comma, rest = text[:200].partition(",")
    if comma and head.startswith("data:"):
        text = text[len(head) + 1 :]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(
            f"prompt_audio is no base64: {error}.", "prompt_audio"
        ) from None


def _read_voice(voice, served, job):
    """Arguments of ``clone_voice`` for a voice; a transcript if there is none.

    A header of the response has the recognised text.
    """
    recording, text = voice
    if isinstance(recording, bytes):
        recording = read_audio_bytes(
            recording,
            served.codec.sample_rate,
            served.limits.prompt_seconds,
            "prompt_audio",
        )
        if text is None:
            with served.recognizing:
                text = served.speech.transcribe(
                    recording, recognizer=served.recognizer
                )
            job.headers["X-Prompt-Text"] = quote(text)
    return recording, text
