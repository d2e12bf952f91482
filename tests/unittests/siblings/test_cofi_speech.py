"""CoFiSpeech: its contract, and errors of bad input."""

import pytest
import torch

from speechbrain_gogo.inference import CoFiSpeech, open_speech
from speechbrain_gogo.inference.loading.speech_lm import check_lm_fits
from speechbrain_gogo.lobes.cofi.chain_of_scales import ChainOfScales

TEXT = "The fox jumps. The quick brown fox jumps over a lazy dog."
SAID = "the quick brown fox"


@pytest.fixture(scope="module")
def speech(tiny_cofi_speech_folder):
    return open_speech(tiny_cofi_speech_folder)


@pytest.fixture(scope="module")
def prompts():
    generator = torch.Generator().manual_seed(1)
    return 0.1 * torch.randn(2, 20000, generator=generator)


def test_synthesis(speech, prompts):
    assert isinstance(speech, CoFiSpeech)
    said = speech.clone_voice(TEXT, prompts[0], SAID, seed=4)
    groups = len(said.tokens)
    assert said.sample_rate == 16000 and said.tokens.shape == (groups, 28)
    assert said.wav.shape == (1920 * groups,) and said.wav.isfinite().all()
    assert (said.budgets == 28).all() and said.tokens.max() < 64
    other = speech.clone_voice(TEXT, prompts[1], SAID, seed=4)
    assert not torch.equal(other.wav[:1920], said.wav[:1920])


def test_stream_and_batch_equal_single(speech, prompts):
    said = speech.clone_voice(TEXT, prompts[0], SAID, seed=4)
    stream = list(speech.stream_voice(TEXT, prompts[0], SAID, seed=4))
    assert len(stream) > 1
    assert torch.allclose(torch.cat(stream), said.wav, atol=1e-4)
    both = speech.clone_voice_batch(
        [(TEXT, prompts[0], SAID), ("Why?", prompts[1][:9999], "so")], seed=4
    )
    assert torch.equal(both[0].tokens, said.tokens)
    assert torch.allclose(both[0].wav, said.wav, atol=1e-4)
    alone = speech.clone_voice("Why?", prompts[1][:9999], "so", seed=4)
    assert torch.equal(both[1].tokens, alone.tokens)


def test_cached_attention_equals_whole_sequences(speech, prompts):
    maps = speech.attention_maps("Why?", prompts[0], SAID, seed=4)
    assert len(maps) == 3  # a stack of three
    groups = None
    for (weights, parts), level in zip(maps, speech.codec.levels):
        sizes = dict(parts)
        assert weights.shape == (sum(sizes.values()),) * 2
        assert torch.equal(weights, weights.tril())
        heads = weights.sum(1)  # one layer of two heads
        torch.testing.assert_close(heads, torch.full_like(heads, 2.0))
        rows = parts[-1][1] - 1 - (level.streams - 1)
        groups = groups or rows
        assert rows == groups * level.steps
    first, second = maps[1][1]
    assert first == ("states of 1", groups) and second[0] == "scale 2"


def test_attention_of_a_model_that_says_nothing(speech, prompts, monkeypatch):
    """Its maps are those of the prompt."""
    monkeypatch.setattr(speech, "_generate", lambda *inputs: iter(()))
    (_, parts), *_ = speech.attention_maps("Why?", prompts[0], SAID, seed=4)
    assert parts[-1][1] - 1 == len(prompts[0]) // 1920  # groups, without BOS


def test_bad_calls(speech, prompts, tiny_socodec_speech_folder):
    call = speech.clone_voice
    with pytest.raises(ValueError, match="no English words"):
        call("...", prompts[0], SAID)
    with pytest.raises(ValueError, match="temperature"):
        call("So", prompts[0], SAID, temperature=-1)
    with pytest.raises(ValueError, match="num_steps"):  # there is no flow
        call("So", prompts[0], SAID, num_steps=4)
    with pytest.raises(ValueError, match="shorter one"):
        call("So", prompts[0].repeat(9), " ".join([SAID] * 3))
    lm = ChainOfScales(9, 64, [1, 6], [1, 4], 16, 16, 1, 2)
    with pytest.raises(ValueError, match=r"\[1, 6\].*\[1, 3, 6\]"):
        check_lm_fits(lm, speech.codec)
