"""The Diffusion Transformer: padding, and its precomputed parts."""

import pytest
import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.dit import DiT


def seeded_dit(patch_size=1):
    torch.manual_seed(0)
    dit = DiT(
        10, 16, dim=32, num_layers=3, num_heads=2, patch_size=patch_size
    ).eval()
    for layer in [*dit.modulations, dit.project_out]:  # not adaLN-zero
        torch.nn.init.normal_(layer.weight, std=0.3)
    return dit


@torch.no_grad()
def test_untrained_blocks_are_the_identity():
    dit = DiT(10, 16, dim=32, num_layers=2, num_heads=2)  # adaLN-zero
    x, cond = torch.randn(1, 7, 10), torch.randn(1, 7, 16)
    h = dit.project_x(x) + dit.condition(cond)
    h = h + dit.position(h, None)
    expected = dit.project_out(F.layer_norm(h, (32,), eps=1e-6))
    torch.testing.assert_close(dit(x, cond, torch.rand(1)), expected)


@torch.no_grad()
def test_patches_are_frames_of_more_channels():
    """The same weights read and write four frames as one of four times the size."""
    dit = seeded_dit(patch_size=4)
    wide = DiT(40, 64, dim=32, num_layers=3, num_heads=2).eval()
    wide.load_state_dict(dit.state_dict())
    x, cond, t = torch.randn(2, 20, 10), torch.randn(2, 20, 16), torch.rand(2)
    found = wide(x.reshape(2, 5, 40), cond.reshape(2, 5, 64), t)
    torch.testing.assert_close(dit(x, cond, t), found.reshape(2, 20, 10))


@pytest.mark.parametrize("patch_size", [1, 4])
@torch.no_grad()
def test_padding_never_reaches_real_frames(device, patch_size):
    dit = seeded_dit(patch_size).to(device)
    x, cond = torch.randn(2, 40, 10), torch.randn(2, 40, 16)
    x, cond = x.to(device), cond.to(device)
    t = torch.tensor([0.2, 0.7], device=device)
    lens = torch.tensor([1.0, 0.6], device=device)
    found = dit(x, cond, t, lens)
    alone = dit(x[1:, :24], cond[1:, :24], t[1:])
    torch.testing.assert_close(found[1:, :24], alone)
    x[1, 24:], cond[1, 24:] = 1e3, -1e3
    torch.testing.assert_close(dit(x, cond, t, lens)[1:, :24], alone)


@torch.no_grad()
def test_precomputed_parts_equal_the_forward_pass():
    dit = seeded_dit()
    x, cond = torch.randn(2, 9, 10), torch.randn(2, 9, 16)
    times = torch.tensor([0.0, 0.3, 0.9])
    condition, modulation = dit.condition(cond), dit.modulation(times)
    assert modulation.shape == (3, 6 * 3 + 2, 32)
    for step, t in enumerate(times):
        found = dit.velocity(x, condition, modulation[step : step + 1])
        torch.testing.assert_close(found, dit(x, cond, t.expand(2)))
    early, late = dit(x, cond, times[:2]).chunk(2)
    torch.testing.assert_close(late, dit(x[1:], cond[1:], times[1:2]))
    assert (early - dit(x[:1], cond[:1], times[1:2])).abs().max() > 1e-2
