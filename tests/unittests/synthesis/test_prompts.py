"""Prompts and their transcripts: recognition, and warnings of mismatches."""

import logging

import pytest
import soundfile
import torch

from speechbrain_gogo.inference.demo.run import EXAMPLE, EXAMPLE_TEXT
from speechbrain_gogo.inference.synthesis import transcription
from speechbrain_gogo.metrics.recognition import words


class FakeRecognizer:
    """Hears what it is told to hear, and keeps what it was given."""

    def __init__(self, hears):
        self.hears, self.given = hears, []

    def recognize(self, wavs):
        self.given += wavs
        return [self.hears] * len(wavs)


@pytest.fixture(autouse=True)
def transcripts_are_logged(caplog):
    """A server in another test of this process keeps them out of the log."""
    caplog.set_level(logging.INFO, transcription.__name__)


@pytest.fixture
def recognizer(monkeypatch):
    fake = FakeRecognizer("<s> the quick(2) brown [NOISE] fox </s>")
    monkeypatch.setattr(transcription, "_load", lambda *_: fake)
    return fake


def test_prompt_without_transcript_is_recognised(
    speech, prompt, recognizer, caplog, tmp_path
):
    said = speech.clone_voice("Hi.", prompt, "the quick brown fox")
    assert not recognizer.given
    path = tmp_path / "prompt.wav"
    soundfile.write(path, prompt.numpy(), 24000, subtype="FLOAT")
    for form in (prompt, prompt.numpy()[None], path):
        again = speech.clone_voice("Hi.", form)
        assert torch.equal(again.tokens, said.tokens)
        assert torch.equal(torch.from_numpy(recognizer.given[-1]), prompt)
    assert "recognised as 'the quick brown fox'" in caplog.text
    [again] = speech.clone_voice_batch([("Hi.", prompt, None)])
    assert torch.equal(again.tokens, said.tokens)
    assert speech.transcribe(prompt) == "the quick brown fox"


def test_prompts_that_cannot_be_recognised(
    speech, prompt, recognizer, monkeypatch
):
    for wav, message in (
        (torch.zeros(24000), "silent"),
        (prompt.repeat(11), "33.0 s is too long .* give prompt_text"),
    ):
        with pytest.raises(ValueError, match=message):
            speech.transcribe(wav)
    recognizer.hears = "<sil>"
    with pytest.raises(ValueError, match="No words .* give prompt_text"):
        speech.clone_voice("Hi.", prompt)
    monkeypatch.setattr(speech.front_end, "language", "de", raising=False)
    with pytest.raises(ValueError, match="'de' .* give prompt_text"):
        speech.transcribe(prompt)


def test_missing_recogniser_asks_for_a_transcript(speech, prompt, monkeypatch):
    def missing(*_):
        raise ImportError("pip install speechbrain-gogo[metrics]")

    monkeypatch.setattr(words, "import_backend", missing)
    transcription._load.cache_clear()
    with pytest.raises(ValueError, match=r"give prompt_text.*\[metrics\]"):
        speech.clone_voice("Hi.", prompt)
    with pytest.raises(ValueError, match="text '' has no"):  # said at first
        speech.clone_voice("", prompt)


def test_pocketsphinx_recognises_a_prompt(speech):
    pytest.importorskip("pocketsphinx")
    heard = set(speech.transcribe(EXAMPLE).split())
    said = set(EXAMPLE_TEXT.replace(",", "").split())
    assert len(heard & said) > len(said) / 2


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("Hi.", "very little"),
        ("so " * 33, "more than anybody says"),
        ("The quick brown fox jumps over the lazy dog.", None),
        ("Why not?", None),
    ],
)
def test_implausible_transcripts_warn(speech, prompt, caplog, text, doubt):
    with caplog.at_level(logging.WARNING):
        speech.stream_voice("Hi.", prompt, text)
    told = "do not belong together" in caplog.text
    assert told == (doubt is not None) and (doubt or "") in caplog.text
