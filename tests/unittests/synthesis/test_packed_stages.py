"""Stages in 8 bits, which are read matrix by matrix."""

import re
import shutil

import pytest
import torch
from safetensors import torch as safetensors
from tiny_speech import PROMPT_TEXT
from transformers import LlamaForCausalLM

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.exporting.folder import load
from speechbrain_gogo.inference.exporting.stages import stage_networks
from speechbrain_gogo.inference.loading import packed_stage
from speechbrain_gogo.lobes.nn.int8 import Int8, Int8Rows

CPU = {"device": "cpu"}


@pytest.fixture
def folder(tiny_speech_folder, tmp_path):
    """A model whose setting is 8 bits."""
    folder = shutil.copytree(tiny_speech_folder, tmp_path / "model")
    path = folder / "speech.yaml"
    path.write_text(re.sub("weights: .*", "weights: int8", path.read_text()))
    return folder


def edit_weights(path, edit):
    """Write a safetensors file anew, its tensors changed by a function."""
    weights = safetensors.load(path.read_bytes())
    edit(weights)
    path.write_bytes(safetensors.save(weights))


def test_stages_read_in_8_bits_equal_rounded_ones(
    speech, folder, prompt, monkeypatch
):
    monkeypatch.setattr(packed_stage, "ROWS", 7)
    packed = GogoSpeech.from_hparams(folder, run_opts=CPU)
    for name, stage in packed.mods.items():
        assert sum(weight.numel() for weight in stage.parameters()) == 0
        plain = speech.mods[name]
        table = plain.llama.get_input_embeddings().weight.detach()
        rows = Int8Rows([table], len(table))
        rounded = plain.weights(Int8)._replace(embedding=rows)
        rounded = plain.decoder(2, 9, weights=rounded)
        found, first = stage.decoder(2, 9), stage.offset
        for count in 5, 1, 2:
            ids = torch.randint(first, first + 40, (2, count))
            assert torch.equal(found.step(ids), rounded.step(ids))
        with pytest.raises(ValueError, match='only generates.*"float"'):
            stage(None, None)
    said = packed.clone_voice("So, why?", prompt, PROMPT_TEXT, seed=2)
    assert len(said.tokens) and said.wav.isfinite().all()
    together = packed.clone_voice_batch(
        [("So, why?", prompt, PROMPT_TEXT)] * 2, seed=2
    )
    assert torch.equal(together[1].tokens, said.tokens)


def test_untied_outputs_are_read(folder):
    """A Llama whose output is not its embedding, as it is read in float."""
    config = folder / "stage2" / "config.json"
    text = config.read_text()
    assert '"tie_word_embeddings": true' in text
    config.write_text(text.replace('embeddings": true', 'embeddings": false'))

    def add_output(weights):
        table = weights["model.embed_tokens.weight"]
        weights["lm_head.weight"] = -table

    def logits(kind="int8"):
        model = GogoSpeech.from_hparams(
            folder, run_opts=CPU, overrides={"weights": kind}
        )
        decoder = model.mods.stage2.decoder(1, 4)
        return decoder.step(torch.tensor([[3, 1]]))

    def assert_near(found, expected):
        assert (found - expected).std() < 0.1 * expected.std()

    weights = folder / "stage2" / "model.safetensors"
    with pytest.raises(ValueError, match="in 1 places:\n  missing lm_head"):
        logits()
    edit_weights(weights, add_output)
    opposite = logits()
    assert_near(opposite, logits("float"))
    config.write_text(text)  # its output is in the file all the same
    assert torch.equal(logits(), opposite)
    assert_near(opposite, logits("float"))
    edit_weights(weights, lambda all: all.pop("lm_head.weight"))
    assert torch.equal(logits(), -opposite)


def test_several_files_are_read(folder):
    """As transformers splits large models."""
    path = folder / "stage1" / "model.safetensors"

    def logits():
        model = GogoSpeech.from_hparams(folder, run_opts=CPU)
        return model.mods.stage1.decoder(1, 4).step(torch.tensor([[3, 1]]))

    expected = logits()
    LlamaForCausalLM.from_pretrained(folder / "stage1").save_pretrained(
        folder / "stage1", max_shard_size="100KB"
    )
    assert len(sorted(path.parent.glob("model-*.safetensors"))) > 1
    assert torch.equal(logits(), expected)


def test_export_to_onnx_has_stages_in_float(folder):
    _, stages = load(folder, trust_source=False)
    for name, stage in stages.items():
        (network,) = stage_networks(name, stage)
        for weight in network.module.parameters():
            assert weight.dtype == torch.float32 and not weight.requires_grad


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda w: w.pop("model.norm.weight"), "missing model.norm.weight"),
        (lambda w: w.update(more=torch.ones(1)), "unexpected more"),
        (
            lambda w: w.update({"model.norm.weight": torch.ones(3)}),
            "mismatched model.norm.weight",
        ),
    ],
)
def test_wrong_weights_are_refused(folder, edit, message):
    edit_weights(folder / "stage1" / "model.safetensors", edit)
    with pytest.raises(ValueError, match=f"in 1 places:\n  {message}"):
        GogoSpeech.from_hparams(folder, run_opts=CPU)


def test_other_files_are_refused(folder):
    path = folder / "stage1" / "model.safetensors"
    path.write_bytes(b"weights")
    with pytest.raises(ValueError, match="is no safetensors file"):
        GogoSpeech.from_hparams(folder, run_opts=CPU)
    path.unlink()
    with pytest.raises(ValueError, match="no weights that can be read"):
        GogoSpeech.from_hparams(folder, run_opts=CPU)
