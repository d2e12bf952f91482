"""The fine-tuning recipe refuses what it cannot learn from."""

from types import SimpleNamespace

import pytest
import soundfile
import torch

from speechbrain_gogo.dataio.text.tokenizers import WordPieces


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
        "lm": SimpleNamespace(stage=1),
    }
    voices.check_letters(settings)
    texts.append("Größe")
    with pytest.raises(
        ValueError, match="does not know 'ß', 'ö'. Let the front"
    ):
        voices.check_letters(settings)


def test_text_tokenizers_that_cannot_be(voices, tmp_path):
    """An earlier training's ids that do not fit would be read as codes."""
    path = tmp_path / "text.model"
    size = WordPieces.train(["some words", "more"], path, 30).vocab_size
    settings = {
        "start_from": None,
        "new_text": False,
        "text_tokenizer": None,
        "train_tokens": "tokens",
        "tokenizer_file": path,
        "tokenizer_clips": 9,
        "num_steps": None,
        "model": {"text_size": size},
        "lm": SimpleNamespace(stage=1),
    }
    assert voices.prepare_tokenizer(settings).vocab_size == size
    settings["model"] = {"text_size": size - 1}
    with pytest.raises(ValueError, match=f"has {size} ids, the model has room"):
        voices.prepare_tokenizer(settings)
    del settings["tokenizer_file"]
    with pytest.raises(ValueError, match="text_tokenizer is null"):
        voices.prepare_tokenizer(settings)
    settings["lm"] = SimpleNamespace(stage=2)
    assert voices.prepare_tokenizer(settings) is None
    with pytest.raises(ValueError, match="new_text .* give start_from"):
        voices.prepare_tokenizer({**settings, "new_text": True})


def test_default_voice_is_the_clip_alone(voices, tmp_path):
    """Also where a row is a part of its file."""
    wav = torch.linspace(-0.5, 0.5, 16000)
    soundfile.write(tmp_path / "a.wav", wav.numpy(), 16000, "FLOAT")
    row = {"wav": str(tmp_path / "a.wav"), "samples": (0, None)}
    assert voices.own_file(row, tmp_path) == row["wav"]
    path = voices.own_file({**row, "samples": (4000, 6000)}, tmp_path)
    part, rate = soundfile.read(path, dtype="float32")
    assert rate == 16000 and path != row["wav"]
    assert abs(part - wav[4000:6000].numpy()).max() < 1e-4


def test_single_manifests_and_unknown_clips_are_refused(voices):
    settings = {"train_csv": "mine.csv", "valid_csv": None}
    with pytest.raises(ValueError, match="both manifests"):
        voices.prepare_recordings(settings)
    rows = {"a": {"duration": 2.0, "wav": "a.wav", "wrd": "So."}}
    with pytest.raises(ValueError, match="'b' is no ID of valid_csv"):
        voices.choose_voice(rows, "b")
