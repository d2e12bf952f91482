"""A stage starts from another one: the same network, tokens and text, or not."""

import copy
from types import SimpleNamespace

import pytest
import torch

from speechbrain_gogo.dataio.text.tokenizers import WordPieces
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading.export_speech import export_speech_stage
from speechbrain_gogo.inference.loading.warm_start import (
    find_stage,
    start_stage,
    start_tokenizer,
)
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.memory import save_memory
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

TEXT, CODES = 30, 12800


@pytest.fixture(scope="module")
def codec(tiny_codec_folder):
    return GogoCodec.from_hparams(tiny_codec_folder)


def backbone_lm(heads=2):
    llama = speech_llama(TEXT + CODES + 2, 16, 1, heads, 32)
    return BackboneLM(llama, TEXT)


def aligned_lm(**sizes):
    levels = [8, 8, 8, 5, 5]
    sizes = {"dim": 16, "num_layers": 1, "num_heads": 2, **sizes}
    sizes = {"text_size": TEXT, "backbone_size": 10, **sizes}
    return AlignedBackboneLM(levels=levels, **sizes)


def detail_lm():
    return DetailLM(speech_llama(CODES + 2, 16, 1, 2, 32))


@pytest.mark.parametrize("new_codec", [False, True])
@pytest.mark.parametrize("make", [backbone_lm, aligned_lm, detail_lm])
def test_weights_of_the_initial_stage_are_loaded(
    make, new_codec, codec, tmp_path
):
    """All weights, in half precision, and the counters."""
    first, second = make(), make()
    if hasattr(first, "batches"):
        first.batches.fill_(7)
    theirs = "f00d" if new_codec else codec.fingerprint
    export_speech_stage(tmp_path, first, fingerprint=theirs)
    start_stage(second, tmp_path, codec, new_codec=new_codec)
    found = second.state_dict()
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-6)


def test_stage_of_a_complete_model_is_loaded(
    codec, tiny_speech_folder, tiny_stages
):
    """Also the tokenizer of its text."""
    for stage, theirs in zip((1, 2), tiny_stages):
        folder = find_stage(tiny_speech_folder, stage)
        assert folder == tiny_speech_folder / f"stage{stage}"
        ours = copy.deepcopy(theirs)
        for weight in ours.parameters():
            weight.data.zero_()
        start_stage(ours, tiny_speech_folder, codec)
        assert ours.llama.lm_head.weight.any()
    tokenizer = tiny_stages[2]
    found = start_tokenizer(tiny_speech_folder)
    assert found.fingerprint == tokenizer.fingerprint
    assert start_tokenizer(tiny_speech_folder, tokenizer)


def test_text_is_learned_anew_for_another_tokenizer(codec, tmp_path):
    """All but the ids of text is loaded, also with another number of them."""
    first = aligned_lm()
    first.batches.fill_(7)
    export_speech_stage(tmp_path, first, fingerprint=codec.fingerprint)
    second = aligned_lm(text_size=TEXT + 5)
    before = copy.deepcopy(second.state_dict())
    start_stage(second, tmp_path, codec, new_text=True)
    for name, weight in second.state_dict().items():
        expected = before if name in second.text_state else first.state_dict()
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-6)
    ids = {
        name
        for name, weight in before.items()
        if weight.shape != first.state_dict()[name].shape or name == "batches"
    }
    assert ids == set(second.text_state)  # nothing that depends on ids is left
    pytest.importorskip("peft")
    save_memory(second.llama, lora={"r": 2})
    learning = {n for n, w in second.named_parameters() if w.requires_grad}
    assert ids - {"batches"} < learning
    with pytest.raises(ValueError, match="a BackboneLM cannot learn text anew"):
        export_speech_stage(
            tmp_path / "other", backbone_lm(), fingerprint=codec.fingerprint
        )
        start_stage(backbone_lm(), tmp_path / "other", codec, new_text=True)


def test_other_tokens_text_and_networks_are_refused(codec, tmp_path):
    """The errors say what to do; equal shapes are not sufficient."""
    export_speech_stage(tmp_path / "other", backbone_lm(), fingerprint="f00d")
    with pytest.raises(ValueError, match="fingerprint f00d, not.*give --codec"):
        start_stage(backbone_lm(), tmp_path / "other", codec)
    other_sizes = SimpleNamespace(
        name="small", vocab_size=8, backbone_size=3, num_codebooks=10
    )
    with pytest.raises(ValueError, match="'small' has 8: they do not belong"):
        start_stage(
            backbone_lm(), tmp_path / "other", other_sizes, new_codec=True
        )

    one, two = (
        WordPieces.train([text], tmp_path / f"{text}.model", 20)
        for text in ("one two", "three four")
    )
    export_speech_stage(tmp_path / "export", backbone_lm(), one)
    with pytest.raises(ValueError, match="Set text_tokenizer to null"):
        start_tokenizer(tmp_path / "export", two)

    for lm, told in (
        (backbone_lm(heads=4), "num_attention_heads 2.* 4. Give its numbers"),
        (aligned_lm(), "class BackboneLM"),
    ):
        with pytest.raises(ValueError, match=told):
            start_stage(lm, tmp_path / "export", codec)

    with pytest.raises(ValueError, match="gogo-mini' has no stage 2 to start"):
        find_stage("gogo-mini", 2)
