"""CoFi-Codec: its contract, batches, streams and scales."""

import math
from types import SimpleNamespace

import pytest
import torch
from speechbrain.dataio.batch import PaddedBatch
from torch.nn import functional as F

from speechbrain_gogo.brains.cofi import CoFiCodecBrain
from speechbrain_gogo.brains.socodec import SoCodecBrain
from speechbrain_gogo.inference import CoFiCodec, SoCodec
from speechbrain_gogo.lobes.cofi.quantizers import ScaleQuantizers
from speechbrain_gogo.lobes.vocoder.griffin_lim import MagnitudeGriffinLim

RATE, GROUP = 16000, 1920


@pytest.fixture(scope="module")
def codec(tiny_cofi_folder):
    return CoFiCodec.from_hparams(tiny_cofi_folder)


@pytest.fixture(scope="module")
def wavs():
    generator = torch.Generator().manual_seed(3)
    return 0.1 * torch.randn(2, 5 * RATE // 2 + 77, generator=generator)


def test_contract(codec):
    assert codec.sample_rate == 16000 and codec.group_samples == GROUP
    assert codec.vocab_size == codec.mask_id == 64 and codec.num_codebooks == 28
    assert codec.group_rate == pytest.approx(25 / 3)
    assert [level.name for level in codec.levels] == [
        "120 ms",
        "40 ms",
        "20 ms",
    ]
    assert [level.steps for level in codec.levels] == [1, 3, 6]
    assert codec.bitrate == pytest.approx(25 / 3 * 28 * 6)


def test_batch_and_stream_equal_single(codec, wavs, monkeypatch):
    """Also in windows that are shorter than the audio."""
    monkeypatch.setattr(codec.codec, "window_groups", 15)
    assert codec.codec.encoder_context < 15  # a window forgets what is past
    lengths = [wavs.shape[1], RATE + 5]
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
        groups = math.ceil(length / GROUP)
        assert alone.shape == (1, groups, 28) and alone.unique().numel() > 16
        assert torch.equal(tokens[b, :groups], alone[0])
        streamed = torch.cat(list(codec.encode_stream(wav[0].split(7001))))
        assert torch.equal(streamed, alone[0])
        g = codec.speaker_embedding(wav)
        assert torch.equal(g[0], embeddings[b])
        # At once, without windows, in the same voice.
        clip = F.pad(wav, (0, -length % GROUP))
        whole = codec.codec.tokenize(codec.codec.mel(clip), g)
        assert torch.equal(whole, alone)
        single, _ = codec.decode_batch(alone, embedding=g, num_samples=length)
        assert (audio[b, :length] - single[0]).abs().max() < 1e-4
        pieces = codec.decode_stream(iter(alone[0].split(11)), embedding=g[0])
        pieces = torch.cat(list(pieces))[:length]
        assert (pieces - single[0]).abs().max() < 1e-4


def test_vocoders_of_long_context_are_called_rarely(codec, monkeypatch):
    """They read their whole context each time; speech has many groups."""
    vocoder, sizes = MagnitudeGriffinLim(num_iterations=20), []
    vocoder.register_forward_pre_hook(
        lambda _, mel: sizes.append(mel[0].shape[1])
    )
    monkeypatch.setitem(codec.mods._modules, "vocoder", vocoder)
    tokens = torch.randint(64, (1, 40, 28), generator=torch.manual_seed(0))
    groups = torch.cat(list(codec.decode_groups(tokens[0])))
    assert vocoder.context == 127 and sum(sizes) < 4000  # of 480 frames
    assert len(groups) == 40 * GROUP and groups.isfinite().all()


@pytest.mark.parametrize(
    "model, kind, brain",
    [
        ("tiny_cofi_folder", CoFiCodec, CoFiCodecBrain),
        ("tiny_socodec_folder", SoCodec, SoCodecBrain),
    ],
)
@torch.no_grad()
def test_validation_is_the_mean_over_clips(model, kind, brain, wavs, request):
    """Whatever their lengths, and whichever clips are a batch."""
    brain = brain.__new__(brain)
    codec = kind.from_hparams(request.getfixturevalue(model)).codec
    brain.codec, brain.device_type = codec, "cpu"
    brain.hparams = SimpleNamespace(valid_keeps=[1, 2], feature_folder=None)
    brain.device, brain.cache = "cpu", None
    lengths = [20 * GROUP, 5 * GROUP]
    clips = [wav[:length] for wav, length in zip(wavs, lengths)]
    clips[1] = 5 * clips[1]

    def errors(*clips):
        items = [{"id": str(len(clip)), "sig": clip} for clip in clips]
        batch = PaddedBatch(items)
        return brain.valid_errors(brain.features(batch), batch)

    alone = [errors(clip) for clip in clips]
    for name, found in errors(*clips).items():
        wanted = (alone[0][name] + alone[1][name]) / 2
        assert float(found) == pytest.approx(float(wanted), rel=0.02), name


@pytest.mark.parametrize(
    "settings, error",
    [
        ({"codebooks": [1, 1, 2]}, "streams=.* give both for each scale"),
        ({"stream_dim": 15}, "stream_dim=15 cannot be divided"),
        ({"vocab_size": 32}, r"vocab_size=32 .* 6\*\*2 = 36"),
    ],
)
def test_quantizers_that_do_not_fit_are_errors(settings, error):
    given = {"streams": [1, 4], "codebooks": [1, 2], "vocab_size": 64}
    with pytest.raises(ValueError, match=error):
        ScaleQuantizers(8, **{**given, **settings})


def test_keep_is_the_number_of_scales(codec, wavs):
    tokens, _ = codec.encode_batch(wavs[:1])
    by_hand = tokens.clone()
    by_hand[..., 4:] = codec.mask_id
    kept = codec.decode_mel(tokens, keep=2)
    assert torch.equal(kept, codec.decode_mel(by_hand))
    assert torch.equal(kept, codec.decode_mel(tokens[..., :4]))
    assert not torch.equal(kept, codec.decode_mel(tokens))
    assert (codec.embed(by_hand)[..., 4:, :] == 0).all()
    # Of each group, its own number.
    each = torch.full((1, tokens.shape[1]), 3)
    each[0, -1] = 1
    by_hand = tokens.clone()
    by_hand[0, -1, 1:] = codec.mask_id
    kept = codec.decode_mel(tokens, keep=each)
    assert torch.equal(kept, codec.decode_mel(by_hand))
