"""The small codec of hparams/mini/gogo_mlp.yaml and what trains it."""

import pytest
import torch

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


def test_patch_size_must_divide_the_group():
    """Groups of whole patches only."""
    with pytest.raises(ValueError, match="patch_size=6 does not divide"):
        ConvolutionalDecoder(patch_size=6)
