"""The fine-tuning recipe refuses what it cannot learn from."""

import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[4] / "recipes/LibriTTS/finetune"


@pytest.fixture
def voices(monkeypatch):
    """The recipe's module, for this test only."""
    monkeypatch.delitem(sys.modules, "voices", raising=False)
    monkeypatch.syspath_prepend(str(RECIPE))
    import voices

    yield voices
    sys.modules.pop("voices")


def test_letters_that_the_start_cannot_read_are_named(voices, monkeypatch):
    """Marks without an id are no reason."""
    texts = ["Stop! Now."]
    monkeypatch.setattr(voices, "corpus_texts", lambda folder: texts)
    settings = {"start_from": "gogo-mini", "train_tokens": "tokens"}
    voices.check_letters(settings)
    texts.append("Größe")
    with pytest.raises(
        ValueError, match="does not know 'ß', 'ö'. Let the front"
    ):
        voices.check_letters(settings)


def test_half_a_pair_of_manifests_and_unknown_clips_are_refused(voices):
    settings = {"train_csv": "mine.csv", "valid_csv": None}
    with pytest.raises(ValueError, match="both manifests"):
        voices.prepare_recordings(settings)
    rows = {"a": {"duration": 2.0, "wav": "a.wav", "wrd": "So."}}
    with pytest.raises(ValueError, match="'b' is no ID of valid_csv"):
        voices.choose_voice(rows, "b")
