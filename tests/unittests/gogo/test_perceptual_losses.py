"""Losses in a recogniser's features and of envelopes."""

import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from speechbrain_gogo.lobes.allocator.hearing_reward import HearingReward
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.training.envelopes import EnvelopeLoss
from speechbrain_gogo.lobes.gogo.training.hearing import HearingLoss, WhisperMel


def test_whisper_mel_is_close_to_the_extractors(clip):
    """The estimate is close to Whisper's own features."""
    noise = torch.randn(1, 30720, generator=torch.Generator().manual_seed(0))
    wav = clip + 0.01 * noise
    found = WhisperMel(VocosMel())(VocosMel()(wav))[0]
    audio = torch.nn.functional.interpolate(
        wav[None], size=20480, mode="linear"
    )[0, 0]
    extractor = WhisperFeatureExtractor()
    theirs = extractor._np_extract_fbank_features(audio[None].numpy(), "cpu")
    theirs = torch.from_numpy(theirs[0]) * 4 - 4
    frames = min(found.shape[1], theirs.shape[1])
    apart = found[:60, 2 : frames - 2] - theirs[:60, 2 : frames - 2]
    assert apart.mean().abs() < 0.3 and apart.std() < 0.45


@pytest.fixture
def hearing(tmp_path):
    """A loss by a tiny Whisper."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        init_std=0.3,
    )
    WhisperModel(config).save_pretrained(tmp_path)
    return HearingLoss(VocosMel(), str(tmp_path), 2, max_utterances=3)


def test_hearing_loss(hearing, clip):
    """0 for equal mels, with a gradient otherwise; the recogniser is frozen."""
    mel = VocosMel()(clip.repeat(4, 1))
    assert torch.equal(hearing(mel, mel), torch.zeros(3))
    other = (mel + 0.5 * torch.randn_like(mel)).requires_grad_()
    loss = hearing(other, mel)
    loss.mean().backward()
    assert loss.min() > 0.001 and other.grad[:3].abs().sum() > 0
    assert not any(p.requires_grad for p in hearing.encoder.parameters())
    hearing.train()
    assert not hearing.encoder.training


def test_envelopes_correlate_as_in_stoi(clip):
    """The loss orders disturbances as STOI does, and is of its size."""
    stoi = pytest.importorskip("pystoi").stoi
    mel, random = VocosMel(), torch.Generator().manual_seed(0)
    loss, noise = EnvelopeLoss(mel), torch.randn(clip.shape, generator=random)
    pairs = []
    for level in 0.003, 0.03, 0.3:
        noisy = clip + level * noise
        lost = loss(mel(noisy), mel(clip))
        wanted = stoi(clip[0].numpy(), noisy[0].numpy(), mel.sample_rate)
        pairs.append((float(lost), 1 - wanted))
    ours, theirs = torch.tensor(pairs).T
    assert (theirs.diff() > 0.05).all()  # they differ enough to tell
    assert (ours - theirs).abs().max() < 0.1


def test_envelopes_are_those_of_real_frames():
    """Neither padding nor the level counts; short and silent clips do not fail."""
    loss, one = EnvelopeLoss(VocosMel()), torch.ones(1)
    clean, coded = torch.randn(2, 1, 60, 100)
    alone = loss(coded, clean, one)
    padding = torch.randn(1, 40, 100)
    padded = [torch.cat([x, padding], 1) for x in (coded + 2, clean)]
    found = loss(*padded, 0.6 * one)
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-4)
    silent = torch.full((1, 60, 100), -16.0).requires_grad_()
    for given in (
        (silent, silent),
        (silent, clean),
        (silent[:, :9], clean[:, :9]),
    ):
        lost = loss(*given)
        (grad,) = torch.autograd.grad(lost.sum(), silent)
        assert lost.isfinite().all() and grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_powers_are_in_float32(clip, dtype):
    """Also in half precision, whose range is less than that of speech."""
    mel, noise = VocosMel(), torch.randn(clip.shape)
    log_mel, other = mel(10 * clip), mel(10 * clip + noise)
    whisper, loss = WhisperMel(mel), EnvelopeLoss(mel)
    expected = whisper(log_mel), loss(other, log_mel)
    with torch.autocast("cpu", dtype=dtype):
        found = whisper(log_mel), loss(other, log_mel)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_hearing_reward(model, hearing, clip):
    """Eq. 10 and the recogniser's distance of each group, alone and in a batch."""
    codec = model["codec"].eval()
    for parameter in codec.parameters():  # layers start as the identity
        torch.nn.init.normal_(parameter, std=0.2)
    options = {"codec": codec, "num_steps": 1}
    plain = ReconstructionReward(**options)
    reward = HearingReward(lambda mel: hearing, 50.0, **options)
    wavs = torch.cat(
        [clip, torch.nn.functional.pad(clip[:, :15360], (0, 15360))]
    )
    lens = torch.tensor([1.0, 0.5])
    rewards, distances, _, _ = reward(wavs, lens, torch.Generator())
    _, alone, _, _ = reward(clip[:, :15360], torch.ones(1), torch.Generator())
    torch.testing.assert_close(distances[1:, :3], alone, rtol=1e-3, atol=1e-2)
    _, without, _, _ = plain(wavs, lens, torch.Generator())
    heard = (distances - without) / 50
    codec = model["codec"]
    tokens, _ = codec.encode(clip)
    tokens[..., 3:] = codec.mask_id
    groups, _ = codec.group(clip)
    true = codec.log_mel(groups.flatten(1, 2))
    position = hearing.compare(codec.decode_mel(tokens), true)[0]  # 64 of them
    bounds = [(64 * n // 6, -(-64 * (n + 1) // 6)) for n in range(6)]
    expected = torch.stack([position[a:b].mean() for a, b in bounds])
    torch.testing.assert_close(heard[0, :, 0], expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(rewards, reward.weigh(distances))
    assert reward.distance_fingerprint != plain.distance_fingerprint
