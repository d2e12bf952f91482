"""Solvers of the flow against equations whose solution is known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching
from speechbrain_gogo.lobes.gogo.flow.solvers import (
    EPSS,
    SOLVERS,
    adams_bashforth,
    epss_grid,
    evaluation_times,
)

SAMPLERS = sorted(
    (Path(__file__).resolve().parents[3] / "hparams/samplers").glob("*.yaml")
)


def solve(name, steps):
    """dx/dt = x cos(3 t) from 1 on a bent grid; x(1) = exp(sin(3) / 3)."""
    times = torch.linspace(0, 1, steps + 1, dtype=torch.double) ** 1.5
    at = evaluation_times(times, name)
    start = torch.ones(1, dtype=torch.double)
    found = SOLVERS[name](lambda x, i: x * torch.cos(3 * at[i]), start, times)
    return abs(float(found) - math.exp(math.sin(3) / 3))


@pytest.mark.parametrize(
    "name, order", [("euler", 1), ("midpoint", 2), ("adams_bashforth", 2)]
)
def test_order_of_convergence(name, order):
    found = math.log2(solve(name, 200) / solve(name, 400))
    assert abs(found - order) < 0.15


def test_adams_bashforth_integrates_the_line_through_two_velocities():
    times, x = [0.0, 0.1, 0.5, 0.6], torch.tensor([2.0], dtype=torch.double)
    velocities = [3.0, -1.0, 0.5]
    expected = 2.0 + 0.1 * 3.0
    for n in (1, 2):
        line = np.polyfit(times[n - 1 : n + 1], velocities[n - 1 : n + 1], 1)
        area = np.polyint(line)
        expected += np.polyval(area, times[n + 1]) - np.polyval(area, times[n])
    found = adams_bashforth(lambda x, i: velocities[i], x, times)
    assert float(found) == pytest.approx(expected)


def test_epss_keeps_early_steps():
    for steps in EPSS:
        grid = epss_grid(steps)
        assert len(grid) == steps + 1 and grid[0] == 0 and grid[-1] == 1
        gaps = grid.diff()
        assert (gaps > 0).all() and (gaps.diff() >= 0).all()
    with pytest.raises(ValueError, match="'epss' has"):
        epss_grid(8)


def make_flow(**settings):
    torch.manual_seed(0)
    dit = DiT(10, 16, dim=32, num_layers=1, num_heads=2).eval()
    for layer in [*dit.modulations, dit.project_out]:
        torch.nn.init.normal_(layer.weight, std=0.3)
    return ConditionalFlowMatching(dit, **settings)


@torch.no_grad()
def test_midpoint_with_guidance_at_first():
    """By single passes without precomputed parts."""
    flow = make_flow(solver="midpoint", guidance_interval=(0.0, 0.4))
    cond, noise = torch.randn(1, 6, 16), torch.randn(1, 6, 10)
    rows, velocity = [], flow.backbone.velocity

    def counted(x, *given):
        rows.append(len(x))
        return velocity(x, *given)

    flow.backbone.velocity = counted
    found = flow.sample(cond, noise=noise, num_steps=2, guidance_scale=1.5)
    del flow.backbone.velocity
    assert rows == [2, 2, 2, 1]  # evaluated at 0, .15, .29 and .65

    def v(x, t):
        at = torch.full((1,), t)
        out = flow.backbone(x, cond, at)
        if t > 0.4:
            return out
        return out + 1.5 * (out - flow.backbone(x, 0 * cond, at))

    x, times = noise, [0.0, 1 - math.cos(math.pi / 4), 1.0]
    for start, end in zip(times, times[1:]):
        half = x + (end - start) / 2 * v(x, start)
        x = x + (end - start) * v(half, (start + end) / 2)
    torch.testing.assert_close(found, x)


@pytest.mark.parametrize("path", SAMPLERS, ids=lambda path: path.stem)
@torch.no_grad()
def test_samplers_of_yaml(path):
    """Each gives about the samples of many Euler steps."""
    settings = load_hyperpyyaml(path.read_text())
    settings["guidance_interval"] = (0.0, 1.0)
    cond, noise = torch.randn(1, 6, 16), torch.randn(1, 6, 10)
    flow, exact = make_flow(**settings), make_flow(num_steps=200)
    wanted = exact.sample(cond, noise=noise)
    error = (flow.sample(cond, noise=noise) - wanted).square().mean()
    assert error < 0.1 * (wanted - noise).square().mean()


def test_unknown_solvers_are_refused():
    with pytest.raises(ValueError, match="use one of"):
        make_flow(solver="rk4")
