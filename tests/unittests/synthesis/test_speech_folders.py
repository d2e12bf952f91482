"""Folders of GogoSpeech: stages, default voice, and mismatches."""

import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file
from tiny_speech import CODES, PROMPT_TEXT, written
from transformers import LlamaForCausalLM

from speechbrain_gogo.dataio.text import Phones, WordPieces
from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.loading.export_speech import (
    export_speech,
    export_speech_stage,
)
from speechbrain_gogo.inference.loading.hub import CODEC, SPEECH
from speechbrain_gogo.inference.loading.pretrained import PRETRAINED
from speechbrain_gogo.inference.loading.speech import load_settings


def test_stages_are_plain_hugging_face_folders(
    tiny_stages, tiny_speech_folder, speech
):
    stage1, stage2, _ = tiny_stages
    ids = torch.arange(40).view(2, 20)
    for name, lm in (("stage1", stage1), ("stage2", stage2)):
        plain = LlamaForCausalLM.from_pretrained(
            tiny_speech_folder / name, dtype=torch.float32
        )
        loaded = speech.mods[name]
        with torch.no_grad():
            logits = loaded.llama(ids).logits
            assert torch.equal(plain(ids).logits, logits)
            wanted = lm.llama(ids).logits
        exact = name == "stage1"  # the other was written in half precision
        assert (logits - wanted).abs().max() <= (0 if exact else 0.05)
        assert loaded.max_positions == lm.max_positions
        assert (loaded.offset, loaded.output_slice) == (
            lm.offset,
            lm.output_slice,
        )
    assert plain.config.gogo["mask_id"] == CODES
    assert speech.tokenizer.encode("so, why?") != []


def test_default_voice_of_a_model(tiny_speech_folder, speech, prompt, tmp_path):
    """Without a prompt the model uses its bundled recording."""
    with pytest.raises(ValueError, match="no voice of its own: give prompt"):
        speech.clone_voice("So.")
    voice = written(tmp_path / "me.wav", prompt[:24000], 24000)
    stages = (tiny_speech_folder / name for name in ("stage1", "stage2"))
    folder = tmp_path / "model"
    options = {"voice": (voice, PROMPT_TEXT), "compiled": False}
    export_speech(folder, tiny_speech_folder, *stages, **options)
    named = GogoSpeech.from_hparams(folder, run_opts={"device": "cpu"})
    assert (folder / "voice.wav").read_bytes() == voice.read_bytes()
    wanted = named.clone_voice("So.", voice, PROMPT_TEXT, seed=3)
    assert torch.equal(named.clone_voice("So.", seed=3).wav, wanted.wav)
    batch = named.clone_voice_batch([("So.", None, None)], seed=3)
    assert torch.equal(batch[0].tokens, wanted.tokens)


def test_loading_is_strict(
    tiny_speech_folder, tiny_stages, tiny_codec_folder, tmp_path
):
    folder = tiny_speech_folder
    with pytest.raises(ValueError, match="cannot speak"):
        GogoSpeech.from_hparams(tiny_codec_folder)
    other = export_speech_stage(
        tmp_path / "stage2", tiny_stages[1], fingerprint="another"
    )
    copy = export_speech(tmp_path / "joint", folder, folder / "stage1", other)
    with pytest.raises(ValueError, match="fingerprint another, not those"):
        GogoSpeech.from_hparams(copy)
    shutil.rmtree(copy / "stage2")
    with pytest.raises(ValueError, match="stage2 is no stage"):
        GogoSpeech.from_hparams(copy)
    shutil.copytree(folder / "stage1", copy / "stage2")
    with pytest.raises(ValueError, match="stage2 holds stage 1"):
        GogoSpeech.from_hparams(copy)
    shutil.rmtree(copy / "stage2")
    shutil.copytree(folder / "stage2", copy / "stage2")
    with pytest.raises(ValueError, match=r"sampling has \['warmth'\]"):
        odd = {"sampling": {"warmth": 1}}
        GogoSpeech.from_hparams(copy, overrides=odd)
    text = (copy / "stage1" / "text.model").read_bytes()
    (copy / "stage1" / "text.model").write_bytes(b"no pieces")
    with pytest.raises(ValueError, match="stage1 has no text tokenizer"):
        GogoSpeech.from_hparams(copy)
    (copy / "stage1" / "text.model").write_bytes(text)
    config = copy / "stage1" / "config.json"
    told = config.read_text()
    config.write_text(told.replace('"order"', '"odor"'))
    with pytest.raises(ValueError, match="config.json .*lacks order"):
        GogoSpeech.from_hparams(copy)
    config.write_text(told.replace('"stage": 1', '"stage": 3'))
    with pytest.raises(ValueError, match="config.json .*no stage 3"):
        GogoSpeech.from_hparams(copy)
    config.write_text(told)
    config = copy / "stage2" / "config.json"
    told = config.read_text()
    config.write_text(told.replace('"num_tokens"', '"tokens"'))
    with pytest.raises(ValueError, match="config.json .*lacks num_tokens"):
        GogoSpeech.from_hparams(copy)
    config.write_text(told)
    path = copy / "stage2" / "model.safetensors"
    weights = load(path.read_bytes())
    del weights["model.norm.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValueError, match="missing model.norm.weight"):
        GogoSpeech.from_hparams(copy)
    path.rename(path.with_name("pytorch_model.bin"))
    with pytest.raises(ValueError, match="Only safetensors"):
        GogoSpeech.from_hparams(copy)
    with open(copy / "speech.yaml", "a") as settings:
        settings.write("when: !apply:time.time []\n")
    with pytest.raises(ValueError, match="trust_source=True"):
        GogoSpeech.from_hparams(copy)


@pytest.mark.parametrize("text", ["", "- a", "voice: {file: a.wav}"])
def test_wrong_settings_are_named(tmp_path, text):
    path = tmp_path / "speech.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="speech.yaml does not have the setti"):
        load_settings(path)


def test_all_files_of_a_model_are_fetched_and_published():
    """Except for pictures and the example of its card."""
    folder = PRETRAINED / "gogo-mini"
    names = [str(path.relative_to(folder)) for path in folder.rglob("*.*")]
    left = [
        name
        for name in names
        if not any(fnmatch(name, pattern) for pattern in (*CODEC, *SPEECH))
    ]
    assert {Path(name).suffix for name in left} <= {".png", ".flac"}
    tokenizers = WordPieces.FILE, Phones.FILE
    for name in (f"stage1/{file}" for file in tokenizers):
        assert any(fnmatch(name, pattern) for pattern in SPEECH)
