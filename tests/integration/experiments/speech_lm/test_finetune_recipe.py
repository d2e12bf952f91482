"""The fine-tuning recipe refuses what it cannot learn from."""

import pytest


@pytest.fixture
def voices(scripts_of):
    """The recipe's module."""
    scripts_of("LibriTTS/finetune")
    import voices

    return voices


def test_unknown_letters_are_named(voices, monkeypatch):
    """Unknown marks are accepted."""
    texts = ["Stop! Now."]
    monkeypatch.setattr(voices, "corpus_texts", lambda folder: texts)
    settings = {
        "start_from": "gogo-mini",
        "new_text": False,
        "text_tokenizer": None,
        "train_tokens": "tokens",
        "model": {"text_size": 64},
    }
    voices.check_letters(settings)
    texts.append("Größe")
    with pytest.raises(
        ValueError, match="does not know 'ß', 'ö'. Let the front"
    ):
        voices.check_letters(settings)


def test_single_manifests_and_unknown_clips_are_refused(voices):
    settings = {"train_csv": "mine.csv", "valid_csv": None}
    with pytest.raises(ValueError, match="both manifests"):
        voices.prepare_recordings(settings)
    rows = {"a": {"duration": 2.0, "wav": "a.wav", "wrd": "So."}}
    with pytest.raises(ValueError, match="'b' is no ID of valid_csv"):
        voices.choose_voice(rows, "b")
