"""The panel of judges, its worker processes, and mel-cepstral distortion."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from speechbrain_gogo.metrics import STOI, workers
from speechbrain_gogo.metrics.panel import judge_utterances
from speechbrain_gogo.metrics.reports.bootstrap import (
    figure_interval,
    paired_difference,
)
from speechbrain_gogo.metrics.speech_metric import Figure


def test_networks_are_called_in_batches():
    """Batches have the largest size; rows have the columns of all judges."""

    class Loudest:
        sizes = []

        def measure_batch(self, predicts, targets, transcripts):
            self.sizes.append(len(predicts))
            return [{"loudest": float(max(p))} for p in predicts]

    class Words:
        def measure(self, predict, target, transcript):
            return {"words": len(transcript.split())}

    cases = [(k, np.full(4, k), np.zeros(4), "a " * k) for k in range(1, 6)]
    rows = dict(judge_utterances([Loudest(), Words()], cases, batch_size=2))
    assert Loudest.sizes == [2, 2, 1]
    assert rows == {k: {"loudest": k, "words": k} for k in range(1, 6)}
    Loudest.columns = ("loudest",)
    cases[2] = (3, [], [], "a")
    rows = dict(judge_utterances([Loudest()], cases, batch_size=2))
    assert "Loudest: ValueError" in rows.pop(3).pop("unscored")
    assert rows == {k: {"loudest": k} for k in (1, 2, 4, 5)}


def test_worker_processes_give_the_same_rows():
    """Another process gives the same rows, whatever the order."""
    wav = np.random.default_rng(0).normal(size=24000).astype("f") / 10
    cases = [(k, wav, wav + k * wav[::-1], "hm") for k in (0.1, 0.2, 0.3)]
    here = dict(judge_utterances([STOI()], cases))
    there = dict(judge_utterances([STOI()], cases, num_workers=1))
    assert there == here
    assert here[0.1]["stoi"] > here[0.3]["stoi"]


class Fake:
    """Does to its process what the transcript says."""

    columns = ("length",)
    sample_rate = 24000

    def measure(self, predict, target, transcript):
        acts = {
            "exit": lambda: os._exit(3),
            "leave": lambda: sys.exit("bye"),
            "raise": lambda: {}["nothing"],
            "hang": lambda: time.sleep(1000),
            "none": lambda: {"length": math.nan},
        }
        act = acts.get(transcript, lambda: {"length": len(predict)})
        return act()


def test_evaluation_continues_without_failed_judges(monkeypatch):
    """Failures are reported; other judges and utterances have scores."""
    monkeypatch.setattr(workers, "START", 3.0)
    wav = np.random.default_rng(0).normal(size=24000).astype("f") / 10
    words = "one", "leave", "raise", "none", "exit", "two", "hang"
    cases = [(word, wav, wav, word) for word in (*words, "three")]
    judges = [Fake(), STOI()]
    rows = dict(judge_utterances(judges, cases, patience=2.0))
    assert all(row["stoi"] == pytest.approx(1.0) for row in rows.values())
    told = {k: row["unscored"] for k, row in rows.items() if "unscored" in row}
    assert told == {
        "exit": "Fake: it ended its process (3)",
        "leave": "Fake: SystemExit: bye",
        "raise": "Fake: KeyError: 'nothing'",
        "hang": "Fake: it took more than 2 s per second",
        "none": "Fake: no score",
    }
    for word, row in rows.items():
        found = row["length"]
        assert math.isnan(found) if word in told else found == 24000
    figure = Figure("length", "length")
    listed = list(rows.values())
    assert figure_interval(figure, listed)[0] == 24000
    assert paired_difference(figure, listed, listed)[0] == 0
    assert math.isnan(figure_interval(figure, [rows["exit"]])[0])


OWNER = """
import multiprocessing, time
import numpy as np
from speechbrain_gogo.metrics import STOI
from speechbrain_gogo.metrics.panel import judge_utterances
wav = np.random.default_rng(0).normal(size=24000).astype("f")
for _ in judge_utterances([STOI()], [(0, wav, wav, "hm")], num_workers=1):
    [worker] = multiprocessing.active_children()
    print(worker.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Looks into /proc.")
def test_workers_end_with_a_killed_parent():
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        worker = Path("/proc", owner.stdout.readline().strip())
        assert worker.name.isdigit() and worker.is_dir()
        owner.kill()
    for _ in range(100):
        # One that nobody has waited for yet is over, too.
        if not worker.is_dir() or " Z " in (worker / "stat").read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"{worker.name} is still there.")


def test_mel_cepstral_distortion():
    """By the definition, on cepstra that the package computes."""
    from mel_cepstral_distance import get_amplitude_spectrogram  # noqa: F401

    from speechbrain_gogo.metrics import MelCepstralDistortion

    generator = torch.Generator().manual_seed(0)
    wav = 0.1 * torch.randn(2 * 24000, generator=generator)
    tone = 0.3 * torch.sin(torch.arange(2 * 24000) * 0.06)
    metric = MelCepstralDistortion()
    louder = metric.measure(0.5 * wav, wav)["mcd"]
    other = metric.measure(wav + 0.5 * tone, wav)["mcd"]
    assert louder < 1e-3 < 1.0 < other
    assert math.isnan(metric.measure(0 * wav, wav)["mcd"])
    assert math.isnan(metric.measure(wav[:700], wav[:700])["mcd"])  # a window
