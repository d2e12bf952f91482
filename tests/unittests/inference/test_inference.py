"""GogoCodec on tensors: its contract, and errors of bad input."""

import math

import pytest
import torch

from speechbrain_gogo.inference import GogoCodec

RATE, GROUP = 24000, 5120


@pytest.fixture(scope="module")
def wavs():
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(2, 3 * RATE + 777, generator=generator)
    return 0.1 * noise * torch.linspace(0, 1, noise.shape[1]).sin()


def test_contract(codec):
    assert codec.sample_rate == 24000 and codec.vocab_size == 12800
    assert codec.mask_id == 12800 and codec.num_codebooks == 10
    assert codec.group_size == 20 and codec.backbone_size == 3
    assert codec.group_rate == 4.6875 and codec.token_rate == 46.875


def test_steps_of_a_loaded_model(codec, tiny_codec_folder):
    fewer = GogoCodec.from_hparams(tiny_codec_folder, steps=1)
    tokens = torch.zeros(1, 2, 10, dtype=torch.long)
    found, wanted = fewer.decode_batch(tokens)[0], codec.decode_batch(tokens)[0]
    assert not torch.equal(found, wanted)
    assert torch.equal(found, codec.decode_batch(tokens, num_steps=1)[0])
    with pytest.raises(ValueError, match="num_steps=0"):
        GogoCodec.from_hparams(tiny_codec_folder, steps=0)
    with pytest.raises(ValueError, match="'gogo-mini' has no flow"):
        GogoCodec.from_hparams("gogo-mini", steps=4)


def test_int8_decoder(codec, tiny_codec_folder):
    """The same tokens, nearly the same audio, and a batch equals single."""
    small = GogoCodec.from_hparams(tiny_codec_folder, weights="int8")
    assert small.fingerprint == codec.fingerprint
    floats = sum(w.numel() for w in small.codec.flow.backbone.parameters())
    whole = codec.codec.flow.backbone.parameters()
    assert floats < 0.5 * sum(w.numel() for w in whole)
    tokens, lens = torch.randint(100, (2, 3, 10)), torch.tensor([1.0, 2 / 3])
    wavs, _ = small.decode_batch(tokens, lens)
    exact, _ = codec.decode_batch(tokens, lens)
    assert 0 < (wavs - exact).norm() < 0.1 * exact.norm()
    alone, _ = small.decode_batch(tokens[1:, :2])
    # Griffin-Lim's phases amplify rounding.
    assert (wavs[1:, : alone.shape[1]] - alone).abs().max() < 1e-3
    with pytest.raises(ValueError, match="use one of"):
        GogoCodec.from_hparams(tiny_codec_folder, weights="int4")


def test_batch_equals_single(codec, wavs):
    lengths = [wavs.shape[1], 2 * RATE + 5]
    lens = torch.tensor(lengths) / wavs.shape[1]
    tokens, token_lens = codec.encode_batch(wavs, lens)
    audio, audio_lens = codec.decode_batch(
        tokens, token_lens, num_samples=lengths
    )
    assert (audio_lens * audio.shape[1]).round().tolist() == lengths
    for b, length in enumerate(lengths):
        alone, _ = codec.encode_batch(wavs[b : b + 1, :length])
        groups = alone.shape[1]
        assert torch.equal(tokens[b, :groups], alone[0])
        assert (tokens[b, groups:] == 0).all()
        single, _ = codec.decode_batch(alone, num_samples=length)
        assert single.shape == (1, length)
        peak = single.abs().max()
        assert (audio[b, :length] - single[0]).abs().max() <= 1e-2 * peak
        assert (audio[b, length:] == 0).all()


def test_group_depends_on_its_own_audio_only(codec, wavs):
    before, _ = codec.encode_batch(wavs[:1])
    edited = wavs[:1].clone()
    # The STFT window reaches half an FFT into the neighbours.
    edited[:, 4 * GROUP + 512 : 5 * GROUP - 512] = 0.3
    after, _ = codec.encode_batch(edited)
    changed = (before != after).any(-1)[0].nonzero().flatten().tolist()
    assert changed == [4]


def test_keep_equals_masking_by_hand(codec, wavs):
    tokens, lens = codec.encode_batch(wavs)
    by_hand = tokens.clone()
    by_hand[..., 4:] = codec.mask_id
    expected, _ = codec.decode_batch(by_hand, lens)
    kept, _ = codec.decode_batch(tokens, lens, keep=4)
    assert torch.equal(kept, expected)
    shorter, _ = codec.decode_batch(tokens[..., :4], lens)
    budgets = torch.full(tokens.shape[:2], 4)
    per_group, _ = codec.decode_batch(tokens, lens, keep=budgets)
    assert torch.equal(per_group, expected)
    whole, _ = codec.decode_batch(tokens, lens)
    assert not torch.equal(whole, expected)
    assert torch.equal(shorter, expected)


def test_keep_of_padding_does_not_count(codec):
    """SpeechBrain pads budgets with zeros."""
    tokens, lens = torch.zeros(2, 4, 10).long(), torch.tensor([1.0, 0.5])
    budgets = torch.full((2, 4), 3)
    expected, _ = codec.decode_batch(tokens, lens, keep=budgets)
    budgets[1, 2:] = 0
    found, _ = codec.decode_batch(tokens, lens, keep=budgets)
    assert torch.equal(found, expected)
    budgets[1, 1] = 0
    with pytest.raises(ValueError, match=r"\[1, 1\]"):
        codec.decode_batch(tokens, lens, keep=budgets)


def test_backbone_equals_first_tokens(codec, wavs):
    tokens, _ = codec.encode_batch(wavs)
    backbone, _ = codec.encode_batch(wavs, num_tokens=3)
    assert torch.equal(backbone, tokens[..., :3])


def test_training_mode_does_not_change_tokens(codec, wavs):
    """A Brain puts what it holds into training mode."""
    before, _ = codec.encode_batch(wavs)
    codec.train()
    after, _ = codec.encode_batch(wavs)
    codec.eval()
    again, _ = codec.encode_batch(wavs)
    assert torch.equal(before, after) and torch.equal(before, again)


def test_seed(codec, wavs):
    tokens, _ = codec.encode_batch(wavs[:1])
    first, _ = codec.decode_batch(tokens, seed=1)
    again, _ = codec.decode_batch(tokens, seed=1)
    other, _ = codec.decode_batch(tokens, seed=2)
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("length", [1, 200, GROUP - 1, GROUP, GROUP + 1])
def test_short_audio_keeps_its_length(codec, length):
    tokens, lens = codec.encode_batch(0.1 * torch.randn(1, length))
    assert tokens.shape[1] == -(-length // GROUP)
    audio, _ = codec.decode_batch(tokens, lens, num_samples=length)
    assert audio.shape == (1, length)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_silence_and_dc_are_finite(codec, value):
    tokens, _ = codec.encode_batch(torch.full((1, RATE), value))
    audio, _ = codec.decode_batch(tokens, keep=1)
    assert torch.isfinite(audio).all()


def test_bad_lengths_are_refused(codec):
    wavs = torch.zeros(2, RATE)
    for lens in ([1.0], [0.0, 1.0], [1.5, 1.0], [1e-6, 1.0]):
        with pytest.raises(ValueError, match="wav_lens"):
            codec.encode_batch(wavs, torch.tensor(lens))
    with pytest.raises(ValueError, match="lens makes an utterance empty"):
        codec.decode_batch(torch.zeros(1, 5, 10), torch.tensor([0.01]))


def test_errors_of_tokens_give_the_position(codec):
    tokens = torch.zeros(2, 4, 10, dtype=torch.long)
    for bad in (-1, codec.mask_id + 1):
        tokens[1, 2, 3] = bad
        with pytest.raises(ValueError, match=r"\[1, 2, 3\]"):
            codec.decode_batch(tokens)
    with pytest.raises(ValueError, match="Token 1.5 at .* none of"):
        codec.decode_batch(torch.full((1, 2, 10), 1.5))
    tokens[1, 2, 3] = 0
    budgets = torch.full((2, 4), 10)
    budgets[0, 1] = 11
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        codec.decode_batch(tokens, keep=budgets)
    for keep in (0, 11, 4.5, "3", torch.ones(3, 4)):
        with pytest.raises(ValueError, match="keep"):
            codec.decode_batch(tokens, keep=keep)
    with pytest.raises(ValueError, match="shape"):
        codec.decode_batch(torch.zeros(1, 4, 11))
    with pytest.raises(ValueError, match="tokens="):
        codec.decode_batch([[[1, 2], [3]]])  # groups of two lengths


@pytest.mark.parametrize(
    "settings",
    [
        {"num_steps": 0},
        {"num_steps": 2.5},
        {"seed": None},
        {"guidance_scale": math.nan},
        {"guidance_scale": "2"},
        {"guidance_scale": 10**400},
        {"num_samples": -1},
        {"num_samples": 2.5},
        {"num_samples": math.inf},
        {"num_samples": "all"},
    ],
    ids=str,
)
def test_bad_settings_are_named(codec, settings):
    [name] = settings
    with pytest.raises(ValueError, match=name):
        codec.decode_batch(torch.zeros(1, 4, 10), **settings)


def test_autocast_of_the_caller_has_no_effect(codec, wavs):
    """Tokens computed within a bf16 training are the same."""
    tokens, lens = codec.encode_batch(wavs)
    decoded = codec.decode_batch(tokens, lens)[0], codec.embed(tokens)
    slow, _ = codec.encode_batch(wavs, sample_rate=16000)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(codec.encode_batch(wavs)[0], tokens)
        again = codec.encode_batch(wavs, sample_rate=16000)[0]
        assert torch.equal(again, slow)
        again = codec.decode_batch(tokens, lens)[0], codec.embed(tokens)
    assert all(map(torch.equal, again, decoded))


def test_fingerprint_depends_on_all_that_determines_tokens(tiny_codec_folder):
    def first_weight(module):
        return next(module.parameters())

    prints = set()
    for change in (
        lambda codec: None,
        lambda codec: setattr(codec, "mel_floor", -9.0),
        lambda codec: first_weight(codec.quantizer).data.add_(1),
        lambda codec: codec.encoder.queries.data.add_(1),
    ):
        codec = GogoCodec.from_hparams(tiny_codec_folder)
        change(codec.codec)
        prints.add(codec.fingerprint)
    assert len(prints) == 4


def test_embed(codec):
    tokens = torch.tensor([[[0, 5, codec.mask_id] + [7] * 7]])
    features = codec.embed(tokens)
    assert features.shape[:3] == (1, 1, 10)
    assert torch.equal(features[0, 0, 2], codec.codec.mask)
    assert torch.equal(features[0, 0, 3], features[0, 0, 9])
