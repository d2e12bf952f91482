"""Conversion of voices: what is kept, what is generated, and after what."""

import pytest
import soundfile
import torch

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.synthesis.requests import read_prompt

RATE, B = 24000, 3
GREEDY = {"temperature": 0, "repetition_penalty": 1}


def noise(seconds, seed):
    draw = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(round(RATE * seconds), generator=draw)


@pytest.fixture(scope="module")
def source():
    return noise(2.51, 1)  # 12 groups


@pytest.fixture(scope="module")
def prompt():
    return noise(0.9, 2)  # 4 groups, of which the last is not whole


@torch.no_grad()
def is_greedy(stage2, before, tokens):
    """Whether fine tokens are the likeliest after [start], a prompt, and all before."""
    start = torch.tensor([stage2.start_id])
    ids = torch.cat([start, torch.cat([before, tokens]).flatten()])
    logits = stage2.llama(ids[None]).logits[0, :-1, stage2.output_slice]
    likely = logits.argmax(1).view(-1, tokens.shape[1])[len(before) :]
    return torch.equal(likely[:, B:], tokens[:, B:])


def test_details_follow_the_prompt_and_the_given_backbone(
    speech, source, prompt
):
    tokens = speech.codec.encode_batch(source)[0][0]
    voice = read_prompt(speech.codec, prompt)
    assert len(tokens) == 12 and len(voice) == 4
    stage2 = speech.mods.stage2
    for given, before in ((prompt, voice), (None, voice[:0])):
        made = speech.convert_voice(source, given, **GREEDY)
        assert torch.equal(made.tokens[:, :B], tokens[:, :B])
        assert is_greedy(stage2, before, made.tokens)
        assert made.budgets.tolist() == [10] * 12 and made.finished
        wav, _ = speech.codec.decode_batch(
            made.tokens[None], num_samples=len(source)
        )
        torch.testing.assert_close(made.wav, wav[0])
    assert not is_greedy(stage2, voice, made.tokens)
    again = speech.enhance(source, **GREEDY)
    assert torch.equal(again.wav, made.wav)


def test_long_recordings_have_windows_after_the_same_prompt(
    speech, source, prompt, monkeypatch
):
    stage2 = speech.mods.stage2
    monkeypatch.setattr(stage2, "max_positions", 1 + 9 * 10)
    made = speech.convert_voice(source, prompt, **GREEDY)
    voice = read_prompt(speech.codec, prompt)
    windows = made.tokens.tensor_split(3)  # 9 groups less those of the prompt
    assert all(is_greedy(stage2, voice, window) for window in windows)
    assert len(made.wav) == len(source)
    drawn = speech.convert_voice(noise(0.4, 1).repeat(6), prompt, seed=1)
    assert not torch.equal(*(drawn.tokens[n : n + 4] for n in (0, 4)))
    long = speech.convert_voice(source, noise(3, 2), **GREEDY)
    voice = read_prompt(speech.codec, noise(3, 2))[-4:]
    assert is_greedy(stage2, voice, long.tokens[:4])


def test_batch_equals_single(speech, source, prompt, monkeypatch):
    monkeypatch.setattr(speech.mods.stage2, "max_positions", 1 + 9 * 10)
    requests = [
        (source, prompt),
        {"source_wav": source[:9000], "prompt_wav": None, "seed": 7},
        {"source_wav": source[::2], "prompt_wav": source, "sample_rate": 12000},
    ]
    batch = speech.convert_voice_batch(requests, seed=2)
    single = [
        speech.convert_voice(source, prompt, seed=2),
        speech.convert_voice(source[:9000], None, seed=7),
        speech.convert_voice(source[::2], source, seed=2, sample_rate=12000),
    ]
    for one, other in zip(batch, single, strict=True):
        assert torch.equal(one.tokens, other.tokens)
        torch.testing.assert_close(one.wav, other.wav)
    assert [len(made.wav) for made in batch] == [60240, 9000, 60240]
    other = speech.convert_voice(source, prompt, seed=3)
    assert not torch.equal(other.tokens, single[0].tokens)


def test_files_of_any_rate(speech, source, prompt, tmp_path):
    paths = [tmp_path / "source.wav", tmp_path / "prompt.wav"]
    for path, wav, rate in zip(paths, (source, prompt), (RATE, 16000)):
        soundfile.write(path, wav.numpy(), rate, subtype="FLOAT")
    made = speech.convert_voice(*paths, seed=1)
    voice = speech.convert_voice(prompt, None, sample_rate=16000)
    assert len(made.wav) == len(source) and len(voice.wav) == 1.5 * len(prompt)


def test_what_cannot_be_converted(speech, source, prompt):
    wrong = [
        ((source, prompt), {"temperature": -1}, "temperature=-1"),
        ((source, prompt), {"seed": 0.5}, "seed"),
        (("none.wav", prompt), {}, "none.wav"),
        ((source[:0], prompt), {}, "not empty"),
        ((object(), prompt), {}, "source_wav .* neither a path nor samples"),
        ((source, [[0.0] * 300] * 30), {}, "prompt_wav|Audio"),
    ]
    for audio, settings, message in wrong:
        with pytest.raises(ValueError, match=message):
            speech.convert_voice(*audio, **settings)
    with pytest.raises(ValueError, match="give source_wav, prompt_wav in this"):
        speech.convert_voice_batch([(source,)])
    mini = GogoSpeech.from_hparams("gogo-mini")
    with pytest.raises(ValueError, match="'gogo-mini' has no Stage II.*Train"):
        mini.enhance(source)
