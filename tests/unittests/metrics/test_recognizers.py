"""The choice of a recogniser, and its description in reports."""

import logging

import pytest
import torch

from speechbrain_gogo.metrics import find_recognizer
from speechbrain_gogo.metrics.recognition.transcripts import repeats_itself
from speechbrain_gogo.metrics.recognition.words import WordErrors


def test_fallback_recogniser_is_named_weak(monkeypatch, caplog):
    """Its figures are distinguishable from those of a good recogniser."""
    # The environment variable was read when the package was imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(
        "speechbrain_gogo.metrics.recognition.recognizers.DEFAULT",
        "nobody/no-whisper",
    )
    with caplog.at_level(logging.WARNING):
        metric = find_recognizer()
    assert isinstance(metric, WordErrors)
    assert "weak" in metric.judge and "weak" in caplog.text


def test_missing_recogniser_is_an_error(tmp_path):
    """A folder without a model is an error that names it."""
    with pytest.raises(ValueError, match=str(tmp_path)):
        find_recognizer(source=str(tmp_path))


@pytest.mark.parametrize("fast", [False, True])
def test_whisper_from_a_folder(tiny_whisper_folder, monkeypatch, fast):
    """By faster-whisper where it is installed, else by transformers."""
    if fast:
        pytest.importorskip("faster_whisper")
    else:
        monkeypatch.setattr(
            "speechbrain_gogo.metrics.recognition.recognizers.find_spec",
            lambda name: None,
        )
    metric = find_recognizer(16000, tiny_whisper_folder)
    assert ("faster" in metric.judge) == fast
    if fast:
        metric._model.max_length = 60  # a tiny network has few positions
    row = metric.measure(torch.zeros(16000), None, "Two words")
    assert row["whisper_words"] == 2
    assert row["whisper_capped_errors"] <= 2
    labels = [figure.label for figure in metric.figures]
    assert labels[0] == "WER, Whisper (%)"
    assert labels[2:] == ["WER, Whisper, capped (%)", "WER, Whisper, loops (%)"]


def test_word_errors_are_capped_and_loops_counted():
    """No utterance counts for more than all of its words."""
    metric = find_recognizer(source="pocketsphinx")
    looped, fine = metric.count(
        ["it is late", "it is late"], ["so so so so so so so", "it was late"]
    )
    assert looped["word_errors"] == 7 and looped["capped_errors"] == 3
    assert looped["loops"] == 1 and fine["loops"] == 0
    assert fine["word_errors"] == fine["capped_errors"] == 1


@pytest.mark.parametrize(
    ("heard", "loop"),
    [
        ("", False),
        ("that that that", False),
        ("well well well well", True),
        ("we go on and we go on and we go on and we go on and", True),
        ("one two one two one two one three", False),
    ],
)
def test_repeated_words_are_loops(heard, loop):
    """The same words four times in a row, and no fewer."""
    assert repeats_itself(heard) == loop
