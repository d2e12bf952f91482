"""Flow matching by hand: the loss of Eq. 3, sway, and Euler with guidance."""

import math

import pytest
import torch

from speechbrain_gogo.lobes.gogo import dit as dit_module
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.flow import matching as flow_module
from speechbrain_gogo.lobes.gogo.flow.matching import (
    ConditionalFlowMatching,
    sway,
)


def seeded_flow(**settings):
    torch.manual_seed(0)
    dit = DiT(10, 16, dim=32, num_layers=2, num_heads=2).eval()
    for layer in [*dit.modulations, dit.project_out]:  # not adaLN-zero
        torch.nn.init.normal_(layer.weight, std=0.3)
    return ConditionalFlowMatching(dit, **settings)


def draws(batch, frames):
    """Times, noise and condition draws as the loss takes them from a seed."""
    generator = torch.Generator().manual_seed(5)
    t = torch.rand(batch, generator=generator)
    x_0 = torch.randn(batch, frames, 10, generator=generator)
    return t, x_0, torch.rand(batch, generator=generator)


@pytest.mark.parametrize("predict", ["velocity", "data"])
@torch.no_grad()
def test_loss_is_equation_3(predict):
    flow = seeded_flow(predict=predict, condition_dropout=0.5)
    mel, cond = torch.randn(6, 8, 10), torch.randn(6, 8, 16)
    frames = [8, 5, 2, 8, 7, 1]
    t, x_0, drop = draws(6, 8)
    assert 0 < (drop < 0.5).sum() < 6
    errors = []
    for b, n in enumerate(frames):  # each utterance on its own, unpadded
        x_1, noise = mel[b : b + 1, :n], x_0[b : b + 1, :n]
        seen = cond[b : b + 1, :n] * float(drop[b] >= 0.5)
        x_t = (1 - t[b]) * noise + t[b] * x_1
        target = x_1 - noise if predict == "velocity" else x_1
        out = flow.backbone(x_t, seen, t[b : b + 1])
        errors.append(((out - target) ** 2).mean(-1)[0])
    lens = torch.tensor(frames) / 8
    generator = torch.Generator()
    found = [
        flow(mel, cond, lens, how, generator=generator.manual_seed(5))
        for how in ("batch", "mean")
    ]
    each = torch.stack([error.mean() for error in errors])
    torch.testing.assert_close(found[0], each)
    torch.testing.assert_close(found[1], torch.cat(errors).mean())


def test_sway_sampling_schedule():
    times = [0, 0.25, 0.5, 0.75, 1]
    bent = [t - (math.cos(math.pi / 2 * t) - 1 + t) for t in times]
    found = seeded_flow(sway_coefficient=-1.0).schedule(4, "cpu")
    assert found.tolist() == pytest.approx(bent, abs=1e-6)
    assert found[1] < 0.25 and found[0] == 0 and found[-1] == 1
    assert sway(torch.tensor(0.3), 0.0) == torch.tensor(0.3)


@pytest.mark.parametrize("predict", ["velocity", "data"])
@torch.no_grad()
def test_sampling_is_euler_with_guidance(predict):
    """By two separate passes per step without precomputed parts."""
    flow = seeded_flow(predict=predict, temperature=0.7)
    cond, noise = torch.randn(2, 8, 16), torch.randn(2, 8, 10)
    lens = torch.tensor([1.0, 0.5])
    times = [1 - math.cos(math.pi / 2 * i / 3) for i in range(4)]
    x = 0.7 * noise
    for t, after in zip(times, times[1:]):
        at = torch.full((2,), t)
        out = flow.backbone(x, cond, at, lens)
        null = flow.backbone(x, torch.zeros_like(cond), at, lens)
        out = out + 2 * (out - null)
        v = out if predict == "velocity" else (out - x) / (1 - t)
        x = x + (after - t) * v
    found = flow.sample(cond, lens, noise, num_steps=3, guidance_scale=2.0)
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_one_step_without_guidance():
    flow = seeded_flow(predict="data")
    cond, noise = torch.randn(2, 8, 16), torch.randn(2, 8, 10)
    out = flow.backbone(noise, cond, torch.zeros(2))
    found = flow.sample(cond, None, noise, num_steps=1, guidance_scale=0.0)
    torch.testing.assert_close(found, out)


def test_unknown_target_is_refused():
    with pytest.raises(ValueError, match="predict='noise'"):
        seeded_flow(predict="noise")


def test_no_mask_without_padding(monkeypatch):
    """In training and sampling; the results are those with a mask."""
    torch.manual_seed(0)
    flow = ConditionalFlowMatching(DiT(10, 16, 32, 2, 2)).eval()
    mel, cond = torch.randn(2, 40, 10), torch.randn(2, 40, 16)
    masks, attend = [], dit_module.attend

    def note(q, k, v, mask=None):
        masks.append(mask)
        return attend(q, k, v, mask)

    monkeypatch.setattr(dit_module, "attend", note)
    for lens, masked in (([1.0, 1.0], False), ([1.0, 0.5], True)):
        masks.clear()
        draw = torch.Generator().manual_seed(1)
        flow(mel, cond, torch.tensor(lens), generator=draw)
        flow.sample(cond, torch.tensor(lens), mel, num_steps=2)
        assert len(masks) == 2 + 2 * 2
        assert all((mask is not None) == masked for mask in masks)
    losses = []
    for change in (lambda lens: None, lambda lens: lens):
        monkeypatch.setattr(flow_module, "unless_equal", change)
        draw = torch.Generator().manual_seed(1)
        losses.append(flow(mel, cond, torch.ones(2), generator=draw))
    torch.testing.assert_close(*losses)
