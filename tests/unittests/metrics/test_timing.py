"""The clock of measurements of speed."""

import torch

from speechbrain_gogo.metrics.timing import Clock


def test_clock_waits_for_its_own_device(monkeypatch):
    """Not for the current one, which may be another GPU."""
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *a: waited.append(a))
    Clock("cuda:1", threads=1).now()
    assert waited == [(torch.device("cuda:1"),)]
