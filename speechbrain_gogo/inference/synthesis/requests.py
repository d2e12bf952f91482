"""Requests of text to speech: arguments and prompts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.inference.checks.waveforms import read_wavs
from speechbrain_gogo.inference.codecs.files import encode_recording
from speechbrain_gogo.inference.synthesis.transcription import transcribe

REQUIRED = "text", "prompt_wav", "prompt_text"


def read_request(request, seed, required=REQUIRED):
    """A request of a batch as a dict with a seed.

    It has the required arguments, by name or in their order; by name also ``seed``
    and ``sample_rate``.

    Example
    -------
    >>> sorted(read_request(("Hello.", "prompt.wav", "Good morning."), 3))
    ['prompt_text', 'prompt_wav', 'seed', 'text']
    """
    if not isinstance(request, Mapping):
        given = request if isinstance(request, (tuple, list)) else ()
        if len(given) != len(required):
            raise ValueError(
                f"{request!r:.60} is no request: give {', '.join(required)} "
                "in this order, or a dict."
            )
        request = dict(zip(required, given))
    missing = [key for key in required if key not in request]
    unknown = set(request).difference(required, ("seed", "sample_rate"))
    if missing or unknown:
        raise ValueError(
            f"A request has {', '.join(required)}, and optionally seed and "
            f"sample_rate; this one lacks {missing} and has {sorted(unknown)}. "
            "Other settings are arguments of the whole batch."
        )
    return {"seed": seed, **request}


def read_prompt(codec, prompt_wav, sample_rate=None):
    """Tokens int64 [N, K] of a prompt, see :func:`read_recording`."""
    tokens, samples = read_recording(codec, prompt_wav, sample_rate)
    # Drop a last group that was padded: silence there makes a stage end the
    # utterance right after the prompt.
    whole = samples // codec.group_samples
    return tokens[: max(1, whole)]


def read_recording(codec, wav, sample_rate=None, name="prompt_wav"):
    """Tokens int64 [N, K] of a recording, and its length in samples of the codec.

    ``wav`` is an audio file of any rate, or samples in [-1, 1], float of any
    precision: [T], [1, T], [1, 1, T] or, of several channels, [T, C].
    ``sample_rate`` is that of samples, if not the codec's own. Errors have ``name``.
    """
    if isinstance(wav, (str, Path)):
        return encode_recording(codec, wav)
    wav = _read_samples(wav, sample_rate, codec, name)
    return codec.encode_batch(wav)[0][0], wav.shape[1]


def read_voice(codec, prompt_wav, sample_rate=None):
    """Embedding [D] of a prompt's voice, of a codec with a ``speaker_embedding``."""
    if isinstance(prompt_wav, (str, Path)):
        return codec.file_embedding(prompt_wav)
    wav = _read_samples(prompt_wav, sample_rate, codec)
    return codec.speaker_embedding(wav)[0]


def hear_prompt(prompt_wav, sample_rate, speech, recognizer=None):
    """Transcript of a prompt, see :func:`.transcription.transcribe`."""
    rate = speech.codec.sample_rate
    if isinstance(prompt_wav, (str, Path)):
        wav = read_audio(prompt_wav, rate)
    else:
        wav = _read_samples(prompt_wav, sample_rate, speech.codec)[0]
    return transcribe(wav, rate, speech.front_end.language, recognizer)


def _read_samples(wav, sample_rate, codec, name="prompt_wav"):
    """Samples of a recording, [1, T], at the codec's rate."""
    if not torch.is_tensor(wav):
        wav = _as_array(wav, name)
    if wav.ndim == 2 and wav.shape[0] > 1:
        wav = wav[None]  # [1, T, C]
    wavs, _ = read_wavs(wav, None, sample_rate, codec.sample_rate, "cpu")
    if len(wavs) != 1:
        raise ValueError(
            f"{name} holds {len(wavs)} waveforms; give one, [samples]."
        )
    return wavs


def _as_array(wav, name):
    """An array of numbers from any sequence or tensor."""
    try:
        array = np.asarray(wav)
    except (RuntimeError, TypeError, ValueError):
        array = None
    if array is None or array.dtype.kind not in "fiub":
        raise ValueError(f"{name} {wav!r:.60} is neither a path nor samples.")
    return array
