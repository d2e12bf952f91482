"""The learning rate's schedule, by updates and by time."""

import math

import pytest

from speechbrain_gogo.brains.training import budget as module
from speechbrain_gogo.brains.training.budget import TrainingBudget


def test_warm_up_then_cosine():
    budget = TrainingBudget(num_steps=400, warmup_steps=10)
    for step in (1, 5, 10, 100, 399):
        cosine = (1 + math.cos(math.pi * step / 400)) / 2
        expected = min(step / 10, 1) * cosine
        assert budget.factor(step) == pytest.approx(expected)
    assert budget.over(400) and not budget.over(399)


def test_empty_budgets_are_refused():
    for limits in ({"num_steps": 0}, {"num_steps": 9, "max_minutes": 0}):
        with pytest.raises(ValueError, match="=0: give more than 0, or null"):
            TrainingBudget(warmup_steps=0, **limits)


def test_elapsed_time_continues_after_resuming(monkeypatch, tmp_path):
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    budget = TrainingBudget(1000, 0, max_minutes=10)
    assert budget.progress(0) == 0 and budget.minutes == 0
    now += 240
    assert budget.progress(1) == pytest.approx(0.4)
    assert budget.progress(500) == pytest.approx(0.5)  # whichever is further
    budget._save(tmp_path / "budget.ckpt")
    now += 1e6  # while nothing ran
    resumed = TrainingBudget(1000, 0, max_minutes=10)
    resumed._load(tmp_path / "budget.ckpt")
    assert resumed.progress(1) == pytest.approx(0.4)
    now += 360
    assert resumed.over(1)
