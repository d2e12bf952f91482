"""Input of GogoSpeech: text and prompts, cut into utterances.

The prompt is encoded to tokens, the text is split into sentences that fit the
positions of both stages together with the prompt, and each sentence becomes an
:class:`Utterance`.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.inference.checks import check_whole
from speechbrain_gogo.inference.pretrained_codec import encode_recording
from speechbrain_gogo.inference.synthesis.transcription import (
    doubt_transcript,
    transcribe,
)
from speechbrain_gogo.inference.waveforms import read_wavs

FEWEST_CHARACTERS = 20  # shortest sentence that is split off
LAST_SEED = 2**62
REQUIRED = "text", "prompt_wav", "prompt_text"  # of a request


@dataclass
class Utterance:
    """A sentence to generate in one pass, with its prompt.

    text: ids of the prompt's text and of the sentence, may be empty; prompt:
    tokens int64 [N, K]; seed: of all sampling; max_groups: most groups to
    generate.
    """

    text: list
    prompt: torch.Tensor
    seed: int
    max_groups: int


def read_request(request, seed):
    """A request of a batch as a dict with a seed.

    Arguments
    ---------
    request : Mapping | sequence
        ``text``, ``prompt_wav`` and ``prompt_text``, by name or in this
        order; by name also ``seed`` and ``sample_rate``.
    seed : int
        The seed if the request has none.

    Returns
    -------
    dict
        Arguments of ``GogoSpeech.clone_voice``.

    Raises
    ------
    ValueError
        If something is missing or unknown.

    Example
    -------
    >>> sorted(read_request(("Hello.", "prompt.wav", "Good morning."), 3))
    ['prompt_text', 'prompt_wav', 'seed', 'text']
    """
    if not isinstance(request, Mapping):
        given = request if isinstance(request, (tuple, list)) else ()
        if len(given) != len(REQUIRED):
            raise ValueError(
                f"{request!r:.60} is no request: give {', '.join(REQUIRED)} "
                "in this order, or a dict."
            )
        request = dict(zip(REQUIRED, given))
    missing = [key for key in REQUIRED if key not in request]
    unknown = set(request).difference(REQUIRED, ("seed", "sample_rate"))
    if missing or unknown:
        raise ValueError(
            f"A request has {', '.join(REQUIRED)}, and optionally seed and "
            f"sample_rate; this one lacks {missing} and has {sorted(unknown)}. "
            "Other settings are arguments of the whole batch."
        )
    return {"seed": seed, **request}


def read_prompt(codec, prompt_wav, sample_rate=None):
    """Tokens of a prompt.

    Arguments
    ---------
    codec : GogoCodec
        The codec.
    prompt_wav : str | Path | torch.Tensor | numpy.ndarray | list
        An audio file of any rate, or samples in [-1, 1], float of any
        precision: [T], [1, T], [1, 1, T] or, of several channels, [T, C].
    sample_rate : int
        Of a tensor, in Hz, if it is not the codec's own.

    Returns
    -------
    torch.Tensor
        int64 [N, K].

    Raises
    ------
    ValueError
        If the audio cannot be used.
    """
    if isinstance(prompt_wav, (str, Path)):
        tokens, samples = encode_recording(codec, prompt_wav)
    else:
        wav = _read_samples(prompt_wav, sample_rate, codec)
        tokens, samples = codec.encode_batch(wav)[0][0], wav.shape[1]
    # Drop a last group that was padded: silence there makes a stage end the
    # utterance right after the prompt.
    whole = samples // codec.group_samples
    return tokens[: max(1, whole)]


def hear_prompt(prompt_wav, sample_rate, speech, recognizer=None):
    """What a prompt says, see :func:`.transcription.transcribe`.

    Arguments
    ---------
    prompt_wav, sample_rate
        As of :func:`read_prompt`.
    speech : GogoSpeech
        The model, for its rate and language.
    recognizer : str
        As of :func:`.transcription.transcribe`.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the audio cannot be used, or not be recognised.
    """
    rate = speech.codec.sample_rate
    if isinstance(prompt_wav, (str, Path)):
        wav = read_audio(prompt_wav, rate)
    else:
        wav = _read_samples(prompt_wav, sample_rate, speech.codec)[0]
    return transcribe(wav, rate, speech.front_end.language, recognizer)


def _read_samples(wav, sample_rate, codec):
    """A prompt's samples [1, T] at the codec's rate."""
    if not torch.is_tensor(wav):
        wav = _as_array(wav)
    if wav.ndim == 2 and wav.shape[0] > 1:
        wav = wav[None]  # [1, T, C]
    wavs, _ = read_wavs(wav, None, sample_rate, codec.sample_rate, "cpu")
    if len(wavs) != 1:
        raise ValueError(
            f"prompt_wav holds {len(wavs)} waveforms; give one, [samples]."
        )
    return wavs


def _as_array(wav):
    """An array of numbers, from whatever holds some."""
    try:
        array = np.asarray(wav)
    except (RuntimeError, TypeError, ValueError):
        array = None
    if array is None or array.dtype.kind not in "fiub":
        raise ValueError(
            f"prompt_wav {wav!r:.60} is neither a path nor samples."
        )
    return array


def make_utterances(text, prompt_text, prompt, seed, speech):
    """Utterances for a text of any length, all with the same prompt.

    Arguments
    ---------
    text : str
        What to say.
    prompt_text : str
        What the prompt says.
    prompt : torch.Tensor
        From :func:`read_prompt`.
    seed : int
        Each sentence gets a seed derived from it.
    speech : GogoSpeech
        The model, for its front end, tokenizer, stages and settings.

    Returns
    -------
    list of Utterance

    Raises
    ------
    ValueError
        If there is nothing to say, or the prompt is too long.
    """
    seed, front_end = check_whole(seed, "seed"), speech.front_end
    text = read_text(text, "text", front_end)
    prompt_text = read_text(prompt_text, "prompt_text", front_end)
    doubt_transcript(prompt_text, len(prompt) / speech.codec.group_rate)
    settings, encode = speech.hparams, speech.tokenizer.encode
    longest = _most_characters(prompt_text, prompt, speech)
    utterances = []
    sentences = front_end.split(text, longest)
    fits = functools.partial(_fits, prompt_text, prompt, speech)
    pieces = _halved(sentences, fits, front_end.split)
    for number, sentence in enumerate(pieces):
        usual = settings.groups_per_character * (len(sentence) + 10)
        utterance = Utterance(
            encode(f"{prompt_text} {sentence}"),
            prompt,
            (seed * 1_000_003 + number) % LAST_SEED,
            math.ceil(settings.slowest * usual),
        )
        utterances.append(utterance)
    return utterances


def _halved(sentences, fits, split):
    """The sentences; those that do not fit are split in halves."""
    for sentence in sentences:
        half = max(FEWEST_CHARACTERS, len(sentence) // 2 + 1)
        if len(sentence) <= half or fits(sentence):
            yield sentence
        else:
            yield from _halved(split(sentence, half), fits, split)


def _fits(prompt_text, prompt, speech, sentence):
    """Whether a sentence of average speed fits both stages after the prompt."""
    stage1, stage2 = speech.mods.stage1, speech.mods.stage2
    ids = len(speech.tokenizer.encode(f"{prompt_text} {sentence}"))
    usual = speech.hparams.groups_per_character * len(sentence)
    groups = len(prompt) + math.ceil(usual)
    return (
        stage1.sequence_length(ids, groups) <= stage1.max_positions
        and stage2.sequence_length(groups) <= stage2.max_positions
    )


def make_continuation(prompt, seed, speech, max_groups=None):
    """An utterance without text: a free continuation of a prompt.

    Only the end of a prompt is used if it takes more than half of the
    positions.

    Arguments
    ---------
    prompt : torch.Tensor
        From :func:`read_prompt`.
    seed : int
        Of all sampling.
    speech : GogoSpeech
        The model.
    max_groups : int
        Most groups to generate; as many as there are positions by default.

    Returns
    -------
    Utterance

    Raises
    ------
    ValueError
        If ``max_groups`` is less than 1.
    """
    seed = check_whole(seed, "seed")
    if max_groups is not None and check_whole(max_groups, "max_groups") < 1:
        raise ValueError(f"max_groups={max_groups}: give 1 or more.")
    stage1, stage2 = speech.mods.stage1, speech.mods.stage2
    positions = (
        (stage1.max_positions - stage1.text_positions) // stage1.backbone_size,
        stage2.max_positions // stage2.num_tokens,
    )
    most = stage1.max_positions if max_groups is None else max_groups
    return Utterance(
        [], prompt[-(min(positions) // 2) :], seed % LAST_SEED, most
    )


def read_text(text, name, front_end):
    """Text as it is spoken.

    Arguments
    ---------
    text : str
        As it is written.
    name : str
        What errors call it.
    front_end : English | AsWritten
        Of its language.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it is no text, or says nothing.
    """
    if not isinstance(text, str):
        raise ValueError(f"{name} has to be text; got {text!r:.60}.")
    try:
        spoken = front_end.normalize(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not spoken:
        raise ValueError(
            f"{name} {text!r:.60} has no {front_end.language_name} words that "
            "can be spoken."
        )
    return spoken


def _most_characters(prompt_text, prompt, speech):
    """Longest sentence that fits after the prompt, in characters."""
    settings = speech.hparams
    stage1, stage2 = speech.mods.stage1, speech.mods.stage2
    ids, groups = len(speech.tokenizer.encode(prompt_text)), len(prompt)
    usual = settings.groups_per_character
    left = stage1.max_positions - stage1.sequence_length(ids, groups)
    taken = stage1.backbone_size * usual
    fitting = left / taken
    # A text takes further positions only if it is longer than these.
    left += max(0, stage1.text_positions - ids)
    fitting = min(fitting, left / (ids / len(prompt_text) + taken))
    left = stage2.max_positions - stage2.sequence_length(groups)
    fitting = min(fitting, left / (stage2.num_tokens * usual))
    if fitting < FEWEST_CHARACTERS:
        seconds = groups / speech.codec.group_rate
        raise ValueError(
            f"A prompt of {seconds:.1f} s and {len(prompt_text)} characters "
            "leaves no positions for speech: give a shorter one, of 3 to 8 s."
        )
    return min(settings.max_characters, int(fitting))
