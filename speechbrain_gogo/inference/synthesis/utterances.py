"""Input of text to speech: text and prompts, split into utterances.

The text is split into sentences that fit the positions of the language models
together with the prompt, and each sentence becomes an :class:`Utterance`.
"""

import math
import re
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.inference.checks.settings import check_whole
from speechbrain_gogo.inference.synthesis.transcription import doubt_transcript

FEWEST_CHARACTERS = 20  # shortest sentence that is split off
LAST_SEED = 2**62


@dataclass
class Utterance:
    """A sentence to generate in one pass, with its prompt.

    text: ids of the prompt's text and of the sentence, may be empty; prompt:
    tokens int64 [N, K]; seed: seed of all sampling; max_groups: largest number
    of groups to generate; embedding: embedding of the voice, [D], if the codec
    has one; said: number of text ids that the prompt pronounces; backbone:
    tokens int64 [N, b] if only the others are to be generated.
    """

    text: list
    prompt: torch.Tensor
    seed: int
    max_groups: int
    embedding: torch.Tensor | None = None
    said: int = 0
    backbone: torch.Tensor | None = None


def make_utterances(text, prompt_text, prompt, seed, speech, embedding=None):
    """Utterances for a text of any length, all with the same prompt.

    ``prompt_text`` is the transcript of the prompt; None if the model does not
    read it. ``prompt`` has the tokens of
    :func:`~speechbrain_gogo.inference.synthesis.requests.read_prompt`, no
    groups if the model does not read it. Each sentence gets a seed derived from
    ``seed``. ``speech`` is the model with front end, tokenizer, positions and
    settings; ``embedding`` that of the voice, [D].
    """
    seed, front_end = check_whole(seed, "seed"), speech.front_end
    text = read_text(text, "text", front_end)
    before = ""  # the text before each sentence
    if prompt_text is not None:
        prompt_text = read_text(prompt_text, "prompt_text", front_end)
        doubt_transcript(prompt_text, len(prompt) / speech.codec.group_rate)
        before = f"{prompt_text} "
    settings, encode = speech.hparams, speech.tokenizer.encode
    longest = speech.most_characters(prompt_text, prompt)
    utterances = []
    sentences = front_end.split(text, longest)

    def fits(sentence):  # at the average speed, after the prompt
        usual = settings.groups_per_character * len(sentence)
        ids = len(encode(before + sentence))
        return speech.fits(ids, len(prompt) + math.ceil(usual))

    pieces = _halved(sentences, fits, front_end.split)
    for number, sentence in enumerate(pieces):
        usual = settings.groups_per_character * (len(sentence) + 10)
        utterance = Utterance(
            encode(before + sentence),
            prompt,
            part_seed(seed, number),
            math.ceil(settings.slowest * usual),
            embedding,
            len(encode(before)),
        )
        utterances.append(utterance)
    return utterances


def part_seed(seed, number):
    """Seed of a part of a request: a sentence, or a window of a recording."""
    return (seed * 1_000_003 + number) % LAST_SEED


def _halved(sentences, fits, split):
    """The sentences; those that do not fit are split in halves."""
    for sentence in sentences:
        half = max(FEWEST_CHARACTERS, len(sentence) // 2 + 1)
        if len(sentence) <= half or fits(sentence):
            yield sentence
        else:
            yield from _halved(split(sentence, half), fits, split)


def make_continuation(prompt, seed, speech, max_groups=None):
    """An utterance without text: a free continuation of a prompt [N, K].

    Only the end of a prompt is used if it takes more than half of the positions.
    ``max_groups`` is limited by the positions alone by default.
    """
    seed = check_whole(seed, "seed")
    if max_groups is not None and check_whole(max_groups, "max_groups") < 1:
        raise ValueError(f"max_groups={max_groups}: give 1 or more.")
    stage1, stage2 = speech.mods.stage1, speech.mods.stage2
    positions = (
        stage1.max_positions // stage1.group_positions,
        stage2.max_positions // stage2.group_positions,
    )
    most = stage1.max_positions if max_groups is None else max_groups
    return Utterance(
        [], prompt[-(min(positions) // 2) :], seed % LAST_SEED, most
    )


def given_backbones(utterances, missing, device):
    """Backbones of utterances that have one, as ``generate_backbone`` yields them.

    These are the next group of each utterance, int64 [B, b], ``missing`` for those
    that have ended; and bool [B], which have had their last group.

    Example
    -------
    >>> some = torch.zeros(2, 3).long(), torch.ones(1, 3).long()
    >>> utterances = [Utterance([], row, 0, 2, backbone=row) for row in some]
    >>> for group, finished in given_backbones(utterances, 9, "cpu"):
    ...     print(group.tolist(), finished.tolist())
    [[0, 0, 0], [1, 1, 1]] [False, True]
    [[0, 0, 0], [9, 9, 9]] [True, True]
    """
    rows = [utterance.backbone for utterance in utterances]
    ends = torch.tensor([len(row) for row in rows], device=device)
    padded = pad_sequence(rows, batch_first=True, padding_value=missing)
    for index, group in enumerate(padded.to(device).unbind(1)):  # [B, b]
        yield group, ends <= index + 1


def read_text(text, name, front_end):
    """Text as it is spoken; errors call it ``name``."""
    if not isinstance(text, str):
        raise ValueError(f"{name} has to be text; got {text!r:.60}.")
    try:
        spoken = front_end.normalize(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not re.search(r"\w", spoken):
        raise ValueError(
            f"{name} {text!r:.60} has no {front_end.language_name} words that "
            "can be spoken."
        )
    return spoken


def check_room(fitting, prompt_text, prompt, speech):
    """The longest sentence that fits after a prompt, at most ``max_characters``.

    ``fitting`` is the number of characters that fit the positions. A ValueError is
    raised if that is too short for a sentence.
    """
    if fitting < FEWEST_CHARACTERS:
        seconds = len(prompt) / speech.codec.group_rate
        raise ValueError(
            f"A prompt of {seconds:.1f} s and {len(prompt_text)} characters "
            "leaves no positions for speech: give a shorter one, of 3 to 8 s."
        )
    return min(speech.hparams.max_characters, int(fitting))
