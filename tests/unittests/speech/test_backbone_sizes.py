"""GogoSpeech with other backbones than three tokens: Tables 8 and 10."""

import pytest
import torch

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.loading.export_speech import (
    export_speech,
    export_speech_stage,
)
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

CODES, PROMPT_TEXT = 12800, "the quick brown fox"


@pytest.mark.parametrize("b", [1, 5, 10])
def test_synthesis(tiny_stages, tiny_codec_folder, tmp_path, b):
    """Alone, side by side and streamed; b = 10 is a single stage."""
    _, _, tokenizer = tiny_stages
    text = tokenizer.vocab_size
    with torch.random.fork_rng():
        torch.manual_seed(b)
        llama = speech_llama(text + CODES + 2, 32, 1, 2, 64)
        stage1 = BackboneLM(llama, text, backbone_size=b, max_positions=700)
        stage2 = DetailLM(
            speech_llama(CODES + 2, 32, 1, 2, 64), backbone_size=b
        )
    folders = [export_speech_stage(tmp_path / "1", stage1, tokenizer)]
    if b < 10:
        folders.append(export_speech_stage(tmp_path / "2", stage2))
    # The bundled codec has an allocator, for three tokens; a single stage
    # leaves it, and takes no budgets from it.
    codec = "gogo-mini" if b == 10 else tiny_codec_folder
    folder = export_speech(tmp_path / "all", find_source(codec), *folders)
    speech = GogoSpeech.from_hparams(folder, run_opts={"device": "cpu"})
    assert speech.codec.backbone_size == (3 if b == 10 else b)
    assert not speech.allocates and ("allocator" in speech.codec.mods) == (
        b == 10
    )

    generator = torch.Generator().manual_seed(1)
    prompt = 0.1 * torch.randn(2 * 24000, generator=generator)
    request = "So", prompt, PROMPT_TEXT
    said = speech.clone_voice(*request, seed=3)
    groups = len(said.tokens)
    assert groups and said.tokens.shape == (groups, 10)
    assert said.tokens.max() < CODES and said.budgets.tolist() == [10] * groups
    assert said.wav.isfinite().all()
    pieces = list(speech.stream_voice(*request, seed=3))
    assert torch.equal(torch.cat(pieces), said.wav)
    both = speech.clone_voice_batch([request, ("Why?", *request[1:])], seed=3)
    assert torch.equal(both[0].tokens, said.tokens)


def test_stage_2_is_needed_below_ten(tiny_stages, tiny_codec_folder, tmp_path):
    stage1, _, tokenizer = tiny_stages
    first = export_speech_stage(tmp_path / "1", stage1, tokenizer)
    folder = export_speech(tmp_path / "all", tiny_codec_folder, first)
    with pytest.raises(ValueError, match="stage2 is no stage of GogoSpeech"):
        GogoSpeech.from_hparams(folder)
