"""SoCodec: its interface and its speech."""

import math

import pytest
import torch

from speechbrain_gogo.inference import SoCodec

RATE, STEP = 16000, 1920


@pytest.fixture(scope="module")
def codec(tiny_socodec_folder):
    return SoCodec.from_hparams(tiny_socodec_folder)


@pytest.fixture(scope="module")
def wavs():
    generator = torch.Generator().manual_seed(3)
    return 0.1 * torch.randn(2, 5 * RATE + 77, generator=generator)


def test_contract(codec):
    assert codec.sample_rate == 16000 and codec.vocab_size == 16384
    assert codec.mask_id == 16384 and codec.num_codebooks == 4
    assert codec.group_samples == 1920
    assert codec.group_rate == pytest.approx(25 / 3)
    assert codec.token_rate == pytest.approx(100 / 3)


def test_batch_and_stream_equal_single(codec, wavs):
    lengths = [wavs.shape[1], 2 * RATE + 5]
    lens = torch.tensor(lengths) / wavs.shape[1]
    tokens, token_lens = codec.encode_batch(wavs, lens)
    embeddings = codec.speaker_embedding(wavs, lens)
    audio, audio_lens = codec.decode_batch(
        tokens, token_lens, embedding=embeddings, num_samples=lengths
    )
    assert (audio_lens * audio.shape[1]).round().tolist() == lengths
    for b, length in enumerate(lengths):
        wav = wavs[b : b + 1, :length]
        alone, _ = codec.encode_batch(wav)
        steps = math.ceil(length / STEP)
        assert alone.shape == (1, steps, 4) and alone.unique().numel() > steps
        assert torch.equal(tokens[b, :steps], alone[0])
        streamed = list(codec.encode_stream(wav[0].split(7001)))
        assert len(streamed) > 1
        assert torch.equal(torch.cat(streamed), alone[0])
        g = codec.speaker_embedding(wav)
        assert torch.allclose(g[0], embeddings[b], atol=1e-5)
        single, _ = codec.decode_batch(alone, embedding=g, num_samples=length)
        assert (audio[b, :length] - single[0]).abs().max() < 1e-4


def test_live_encoding_keeps_the_latency(codec, wavs):
    wav, read, given = wavs[0, : 3 * RATE], [], 0

    def pieces():
        for piece in wav.split(700):
            read.append(len(piece))
            yield piece

    live = []
    for tokens in codec.encode_stream(pieces(), latency=0.3):
        assert sum(read) - given < 0.3 * RATE + 700
        given += len(tokens) * STEP
        live.append(tokens)
    live = torch.cat(live)
    assert len(live) == math.ceil(len(wav) / STEP)
    # Nothing that comes later decides a token.
    early = torch.cat(list(codec.encode_stream([wav[: 6 * STEP]], 0.3)))
    assert torch.equal(live[:6], early)
    with pytest.raises(ValueError, match="0.12 s after"):
        next(codec.encode_stream([wav], latency=0.1))
    assert len(torch.cat(list(codec.encode_stream([wav], math.inf)))) == 25


def test_features_of_any_precision(codec):
    ssl, mel = torch.randn(2, 12, 128), torch.randn(2, 24, 80)
    expected = codec.encode_features(ssl, mel)
    assert all(
        map(
            torch.equal,
            codec.encode_features(ssl.double(), mel.double()),
            expected,
        )
    )
    for given, message in (
        ((ssl[..., 1:], mel), "ssl must be .*128.*got shape"),
        ((ssl, mel[0]), "mel must be .*80.*got shape"),
        ((ssl[:, :0], mel), "ssl must be .*not empty"),
        ((ssl, mel * math.nan), "mel is not finite"),
        ((ssl, mel[:1]), "of 2 utterances, mel of 1"),
        ((ssl, mel, torch.ones(3)), "lens must hold"),
    ):
        with pytest.raises(ValueError, match=message):
            codec.encode_features(*given)


def test_keep_equals_masking_by_hand(codec, wavs):
    tokens, _ = codec.encode_batch(wavs[:1])
    by_hand = tokens.clone()
    by_hand[..., 2:] = codec.mask_id
    kept = codec.decode_mel(tokens, keep=2)
    assert torch.equal(kept, codec.decode_mel(by_hand))
    assert torch.equal(kept, codec.decode_mel(tokens[..., :2]))
    assert not torch.equal(kept, codec.decode_mel(tokens))
    assert (codec.embed(by_hand)[..., 2:, :] == 0).all()


@pytest.fixture(scope="module")
def speech(tiny_socodec_speech_folder):
    from speechbrain_gogo.inference import SoCodecSpeech

    return SoCodecSpeech.from_hparams(tiny_socodec_speech_folder)


def test_synthesis(speech, wavs):
    text = "The fox jumps. The quick brown fox jumps over a lazy dog."
    said = speech.clone_voice(text, wavs[0], "a fox", seed=4)
    assert said.sample_rate == 16000 and said.tokens.shape[1] == 4
    assert len(said.wav) == 1920 * len(said.tokens)
    assert (said.budgets == 4).all()
    stream = list(speech.stream_voice(text, wavs[0], "a fox", seed=4))
    assert torch.allclose(torch.cat(stream), said.wav, atol=1e-4)
    both = speech.clone_voice_batch(
        [(text, wavs[0], "a fox"), ("Why?", wavs[1], "so")], seed=4
    )
    assert torch.equal(both[0].tokens, said.tokens)
    assert torch.allclose(both[0].wav, said.wav, atol=1e-4)
    other = speech.clone_voice(text, wavs[1], seed=4)
    assert not torch.equal(other.wav[:1920], said.wav[:1920])
    with pytest.raises(ValueError, match="temperature"):
        speech.clone_voice(text, wavs[0], temperature=-1)
    with pytest.raises(ValueError, match="no English words"):
        speech.clone_voice("...", wavs[0])


def test_synthesis_of_chinese(tiny_socodec_speech_folder, wavs):
    """The language of the paper, whose texts are read as they are written."""
    from speechbrain_gogo.inference import SoCodecSpeech

    speech = SoCodecSpeech.from_hparams(
        tiny_socodec_speech_folder, overrides={"language": None}
    )
    assert len(speech.clone_voice("今天天气很好。好吗？", wavs[0]).tokens) > 1
    with pytest.raises(ValueError, match="no written words"):
        speech.clone_voice("...", wavs[0])
