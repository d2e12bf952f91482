"""Texts, prompts and settings of GogoSpeech, and errors of wrong ones."""

import pytest
import torch
from tiny_speech import GROUP, PROMPT_TEXT, written

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.synthesis.requests import read_prompt
from speechbrain_gogo.inference.synthesis.utterances import (
    make_utterances,
)


def test_long_text_is_synthesized_sentence_by_sentence(speech, prompt):
    request = prompt, PROMPT_TEXT
    both = speech.clone_voice("Why so? A lazy dog.", *request, seed=2)
    first = speech.clone_voice("Why so?", *request, seed=2)
    assert torch.equal(both.tokens[: len(first.tokens)], first.tokens)
    assert len(both.tokens) > len(first.tokens)

    text = "I paid $5 for 3 foxes, " * 200 + "and 1,000 more dogs. " * 260
    assert len(text) > 10_000
    tokens = read_prompt(speech.codec, prompt)
    lines = make_utterances(text, PROMPT_TEXT, tokens, 0, speech)
    stage1 = speech.mods.stage1
    for line in lines:
        taken = stage1.sequence_length(len(line.text), len(tokens) + 10)
        assert taken <= stage1.max_positions
    assert len({line.seed for line in lines}) == len(lines) > 260


def test_sentences_fit_with_any_tokenizer(speech, prompt, monkeypatch):
    """Names have a token per letter, other words one per four letters."""

    def encode(text):
        names = sum(map(str.isupper, text))
        return [0] * (names * 4 + len(text) // 4)

    monkeypatch.setattr(speech.tokenizer, "encode", encode)
    given = read_prompt(speech.codec, prompt)
    text = "A b c d e f g h i " * 2 + "ABCDE FGHIJ KLMN OPQR " * 4
    lines = make_utterances(text, PROMPT_TEXT, given, 0, speech)
    stage1 = speech.mods.stage1
    per_character = speech.hparams.groups_per_character
    characters = [len(line.text) for line in lines]
    assert len(lines) > 2 and max(characters) < stage1.max_positions
    for line in lines:
        said = line.max_groups / speech.hparams.slowest - 10 * per_character
        groups = len(given) + int(said)
        ids = len(line.text)
        assert stage1.sequence_length(ids, groups) <= stage1.max_positions


def test_prompt_of_any_rate(speech, prompt, tmp_path):
    path = written(tmp_path / "prompt.wav", prompt[:44100], 44100)
    one = torch.stack([prompt[:44100]] * 2, dim=1)  # [T, C]
    tokens = [
        speech.clone_voice(
            "So", given, PROMPT_TEXT, sample_rate=rate, seed=1
        ).tokens
        for given, rate in (
            (path, None),
            (str(path), None),
            (prompt[:44100], 44100),
            (prompt[None, :44100].numpy(), 44100),
            (one, 44100),
        )
    ]
    assert all(torch.equal(tokens[0], other) for other in tokens[1:])
    # A group that is padded with silence would say that the speech is over.
    assert len(read_prompt(speech.codec, prompt[: 3 * GROUP - 1])) == 2
    assert len(read_prompt(speech.codec, prompt[:99])) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"text": " \U0001f600 ..."}, "text .* no English words"),
        ({"text": ""}, "text '' has no English words"),
        ({"prompt_text": "\n"}, "prompt_text .* no English words"),
        ({"prompt_wav": "none.wav"}, "none.wav"),
        ({"prompt_wav": torch.zeros(0)}, "empty"),
        ({"prompt_wav": torch.ones(24000).short()}, "float tensor"),
        ({"prompt_wav": torch.zeros(20 * 24000)}, "19.8 s .* shorter one"),
        ({"sample_rate": -1}, "-1"),
        ({"temperature": -0.1}, "temperature=-0.1"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_k": 2.5}, "top_k=2.5"),
        ({"repetition_penalty": 0.5}, "repetition_penalty=0.5"),
        ({"text_guidance": -1}, "text_guidance=-1: give 0"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"warmth": 3}, "No setting is called warmth"),
        ({"text": None}, "text has to be text; got None"),
        ({"temperature": None}, "temperature=None"),
        ({"temperature": 1e-39}, "temperature=1e-39: give 0"),
        ({"top_p": float("nan")}, "top_p=nan"),
        ({"top_k": 5.0}, "top_k=5.0: give a whole number"),
        ({"prompt_wav": {}}, "prompt_wav {} is neither a path nor samples"),
        ({"seed": 1.5}, "seed=1.5"),
    ],
)
def test_wrong_requests(speech, prompt, wrong, told):
    request = {"text": "So", "prompt_wav": prompt, "prompt_text": PROMPT_TEXT}
    request.update(wrong)
    with pytest.raises(ValueError, match=told):
        speech.stream_voice(**request)
    with pytest.raises(ValueError, match=told):
        speech.clone_voice(**request)


def test_incomplete_requests_of_a_batch_are_refused(speech, prompt):
    whole = {"text": "So", "prompt_wav": prompt, "prompt_text": PROMPT_TEXT}
    for request, told in (
        (("So", prompt), "no request: give text, prompt_wav, prompt_text"),
        (("So", prompt, PROMPT_TEXT, 5), "no request"),
        ("So", "'So' is no request"),
        (None, "None is no request"),
        ({"text": "So", "prompt_wav": prompt}, r"lacks \['prompt_text'\]"),
        ({**whole, "temperature": 1}, r"has \['temperature'\]"),
    ):
        with pytest.raises(ValueError, match=told):
            speech.clone_voice_batch([request])


def test_zero_groups_are_refused(speech, prompt):
    with pytest.raises(ValueError, match="max_groups=0: give 1"):
        speech.continue_speech(prompt, max_groups=0)


def test_emoji_and_digits(speech, prompt):
    plain = speech.clone_voice("two foxes", prompt, PROMPT_TEXT)
    dressed = speech.clone_voice("2 foxes \U0001f98a", prompt, PROMPT_TEXT)
    assert torch.equal(plain.tokens, dressed.tokens)


def test_language_of_the_model(tiny_speech_folder, speech, prompt):
    assert speech.front_end.language == "en"
    plain = GogoSpeech.from_hparams(
        tiny_speech_folder,
        run_opts={"device": "cpu"},
        overrides={"language": None},
    )
    tokens = read_prompt(plain.codec, prompt)
    said, written = (
        make_utterances("fox 5", PROMPT_TEXT, tokens, 0, model)[0].text
        for model in (speech, plain)
    )
    assert said == speech.tokenizer.encode(f"{PROMPT_TEXT} fox five")
    assert written == speech.tokenizer.encode(f"{PROMPT_TEXT} fox 5")
    with pytest.raises(ValueError, match="prompt_text: .*U.FFFD"):
        make_utterances("fox", "caf\ufffd", tokens, 0, speech)
