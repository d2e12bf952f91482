"""The small codec of hparams/mini/gogo_mlp.yaml and what trains it."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from speechbrain_gogo import HPARAMS
from speechbrain_gogo.lobes.allocator.hearing_reward import HearingReward
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward
from speechbrain_gogo.lobes.gogo.convolutional_decoder import (
    ConvolutionalDecoder,
    DilatedConvolution,
)
from speechbrain_gogo.lobes.gogo.encoder.group_mlp import GroupMLPEncoder
from speechbrain_gogo.lobes.gogo.grouping import MelGroups
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.training.component_start import (
    principal_components,
    start_as_components,
)
from speechbrain_gogo.lobes.gogo.training.envelopes import EnvelopeLoss
from speechbrain_gogo.lobes.gogo.training.hearing import HearingLoss, WhisperMel

SMALL = f"""
model: !include:{HPARAMS}/mini/gogo_mlp.yaml
    num_components: 60
    hidden_dim: 64
    ffn_dim: 96
    backbone:
        conv_dim: 32
        conv_ffn_dim: 48
        dilations: [1, 2]
    hearing: null
"""


@pytest.fixture
def model():
    """The small codec, smaller still, with its objective."""
    torch.manual_seed(0)
    return load_hyperpyyaml(SMALL)["model"]


def shake(module):
    """Layers start as the identity: give them something to do."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return module.eval()


def test_convolution_equals_conv1d():
    """The matrix product equals Conv1d with the same weights."""
    torch.manual_seed(0)
    layer = shake(DilatedConvolution(4, 6, 3))
    x = torch.randn(2, 20, 4)
    kernel = layer.expand.weight.view(6, 3, 4).transpose(1, 2)
    inside = torch.nn.functional.conv1d(
        layer.norm(x).transpose(1, 2), kernel, layer.expand.bias, 1, 3, 3
    ).transpose(1, 2)
    gelu = torch.nn.functional.gelu(inside, approximate="tanh")
    assert torch.allclose(layer(x), x + layer.contract(gelu), atol=1e-5)


def test_groups_are_encoded_independently():
    """Neither other groups of the batch nor fewer queries change the tokens."""
    encoder = shake(GroupMLPEncoder(10, 4, 3, 5, 8, 16, 32, 2))
    groups = torch.randn(6, 4, 10)
    every = encoder(groups)
    assert torch.allclose(encoder(groups[2:3]), every[2:3], atol=1e-5)
    assert torch.equal(encoder(groups, 2), every[:, :2])


def test_starts_as_principal_components(model):
    """Before training, tokens are quantized components, coarse to fine."""
    codec = model["codec"].eval()
    random = torch.Generator().manual_seed(0)
    scale = 0.98 ** torch.arange(2000)  # deviations that fall
    groups = 0.5 + scale * torch.randn(400, 2000, generator=random)
    mean, directions, deviations = principal_components(
        groups.view(400, 20, 100), 60
    )
    _, singular, rows = torch.linalg.svd(groups - groups.mean(0))
    signs = (directions * rows[:60]).sum(1).sign()
    torch.testing.assert_close(mean, groups.mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviations, singular[:60] / 399**0.5)
    assert (directions - signs[:, None] * rows[:60])[:30].abs().max() < 1e-3

    start_as_components(codec, groups.view(400, 20, 100))
    some = groups[:12].view(1, 12, 20, 100)
    real = torch.ones(1, 12, dtype=torch.bool)
    q, tokens = codec.quantize(some, real)
    components = (groups[:12] - mean) @ directions.T / deviations
    levels = torch.tensor([8, 8, 8, 5, 5])
    half = (levels - 1) * 1.001 / 2  # as FSQ bounds them
    shift = torch.where(levels % 2 == 0, (0.5 / half).atanh(), 0)
    centre = torch.where(levels % 2 == 0, 0.5, 0)
    bounded = (0.8 * components[:, :50].unflatten(1, (10, 5)) + shift).tanh()
    codes = (bounded * half - centre).round() / (levels // 2)
    torch.testing.assert_close(q[..., :5], codes, atol=1e-5, rtol=0)
    errors = []
    for keep in (1, 5, 10):
        kept = tokens.view(1, 12, 10).clone()
        kept[..., keep:] = codec.mask_id
        mel = codec.flow.sample(codec.align(codec.embed(kept)))
        used = 1.2 * deviations[: 5 * keep] * codes.flatten(1)[:, : 5 * keep]
        expected = mean + used @ directions[: 5 * keep]
        torch.testing.assert_close(
            mel.view(12, 2000), expected, atol=1e-4, rtol=0
        )
        errors.append((mel.view(12, 2000) - groups[:12]).square().mean().item())
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


def test_too_few_groups_for_components_are_refused(model):
    """There must be more groups than components."""
    with pytest.raises(ValueError, match="60 groups are too few for 60"):
        start_as_components(model["codec"], torch.randn(60, 20, 100))


def test_padding_does_not_change_the_mel(model):
    """An utterance's mel is the same alone and beside a longer one."""
    codec = shake(model["codec"])
    tokens = torch.randint(12800, (2, 7, 10))
    lens = torch.tensor([1.0, 4 / 7])
    both = codec.decode_mel(tokens, lens)
    alone = codec.decode_mel(tokens[1:, :4])
    assert torch.allclose(both[1, :80], alone[0], atol=1e-4)


def test_receptive_field_is_the_sum_of_dilations(model):
    """A frame depends on as many positions as the dilations add up to."""
    decoder = shake(model["backbone"])
    cond = torch.randn(1, 5 * 20, 6, requires_grad=True)
    decoder(cond)[0, 40].sum().backward()  # the first frame of group 2
    moved = cond.grad[0].unflatten(0, (5, 20)).abs().sum((1, 2)) > 0
    assert moved.tolist() == [False, True, True, False, False]


def test_power_mel_is_inverted():
    """Powers equal the definition and are converted back exactly."""
    groups = MelGroups(VocosMel(), 20, 0.8, 0.2, mel_power=0.15)
    log_mel = torch.tensor([-16.0, -3.0, 0.0, 2.0])
    coded = groups.normalize(log_mel)
    assert torch.allclose(coded, (torch.e ** (0.15 * log_mel) - 0.8) / 0.2)
    assert torch.allclose(groups.log_mel(coded), log_mel, atol=1e-3)
    assert groups.log_mel(torch.tensor(-100.0)).isfinite()


def test_training_on_two_clips(model, clip):
    """Errors of the mel fall with training, and with the tokens kept."""
    objective = model["objective"].train()
    codec, wavs = model["codec"], clip.repeat(8, 1)
    optimizer = torch.optim.AdamW(objective.parameters(), 0.003)
    errors = []
    for step in range(120):
        draw = torch.Generator().manual_seed(step)
        losses = objective(wavs, torch.ones(8), generator=draw)
        errors.append(losses["mel"].item())
        optimizer.zero_grad()
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
    assert sum(errors[-10:]) < 0.35 * sum(errors[:10])
    codec.eval()
    tokens, _ = codec.encode(clip)
    mel = codec.mel_groups(codec.stretch(clip, torch.tensor([30720]), 0, 6))
    mel = codec.log_mel(mel.flatten(1, 2))
    found = []
    for keep in (1, 10):
        kept = tokens.clone()
        kept[..., keep:] = codec.mask_id
        found.append((codec.decode_mel(kept) - mel).abs().mean().item())
    assert found[1] < found[0]


@pytest.fixture
def clip():
    """1.28 s of a tone that glides, with a beat: [1, T]."""
    time = torch.arange(30720) / 24000
    tone = torch.sin(2 * torch.pi * (200 * time + 150 * time**2))
    return (0.3 * tone * (0.6 + 0.4 * torch.sin(20 * time))).unsqueeze(0)


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


def test_patch_size_must_divide_the_group():
    """Groups of whole patches only."""
    with pytest.raises(ValueError, match="patch_size=6 does not divide"):
        ConvolutionalDecoder(patch_size=6)


def test_hearing_reward(model, hearing, clip):
    """Eq. 10 and the recogniser's distance of each group, alone and in a batch."""
    options = {"codec": shake(model["codec"]), "num_steps": 1}
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
