"""Whisper as a judge: Seed-TTS' words, its prompt, and long audio."""

import pytest
import torch

from speechbrain_gogo.metrics.recognition.whisper_words import (
    WINDOW,
    WhisperWordErrors,
    seed_tts_words,
)


@pytest.fixture(scope="module")
def whisper(tiny_whisper_folder):
    return WhisperWordErrors(24000, tiny_whisper_folder)


def noise(samples):
    return 0.1 * torch.randn(samples, generator=torch.manual_seed(samples))


def test_words_are_compared_as_seed_tts_does():
    said = "I'm  here, well-known\u3002 O\u2019Neil\u2014\u201cyes\u201d!"
    assert seed_tts_words(said) == ["i'm", "here", "wellknown", "oneilyes"]


def test_whisper_transcribes_english(whisper):
    """By its prompt; a batch equals single clips; long audio is complete."""
    read = []
    hook = whisper._network.model.decoder.register_forward_pre_hook(
        lambda _, args, given: read.append(given["input_ids"]), with_kwargs=True
    )
    wavs = [noise(24000), noise(36000)]
    with hook:
        heard = whisper.recognize(wavs)
    prompt = whisper._processor.tokenizer.decode(read[0][0])
    wanted = ["startoftranscript", "en", "transcribe", "notimestamps"]
    assert prompt == "".join(f"<|{name}|>" for name in wanted)
    assert heard == [whisper.recognize([wav])[0] for wav in wavs]
    assert all("<|" not in text for text in heard)

    # The end of audio beyond the window is heard, too.
    long = noise(24000 * 36)
    windows = []
    with whisper._network.model.encoder.register_forward_hook(
        lambda *_: windows.append(1)
    ):
        [text] = whisper.recognize([long])
    assert len(windows) > 1 and "<|" not in text
    assert whisper.recognize([wavs[0], long, wavs[1]]) == [
        heard[0],
        text,
        heard[1],
    ]


def test_scores_and_rate(whisper, monkeypatch):
    monkeypatch.setattr(whisper, "_transcribe", lambda wavs: ["It's a Fox!"])
    rows = whisper.measure_batch([noise(2400)], [None], ["it's the fox"])
    assert rows[0]["whisper_word_errors"] == 1
    assert rows[0]["whisper_wer"] == pytest.approx(100 / 3)
    assert whisper.figures[0].column == "whisper_wer"  # the mean is the score
    time = torch.arange(24000) / 24000
    tone = whisper._at_rate(torch.sin(2 * torch.pi * 440 * time))
    assert len(tone) == 16000 < WINDOW
    wanted = torch.sin(2 * torch.pi * 440 * torch.arange(16000) / 16000)
    assert abs(wanted.numpy() - tone).max() < 1e-3
