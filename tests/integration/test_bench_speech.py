"""The speech benchmark: its command on a tiny model, its arithmetic."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[2]
BENCH = REPOSITORY / "bench"
sys.path.insert(0, str(BENCH))

import speech  # noqa: E402
from speech_parts import bytes_per_token  # noqa: E402

from speechbrain_gogo.lobes.speech_llama import speech_llama  # noqa: E402
from speechbrain_gogo.lobes.speech_lm import BackboneLM  # noqa: E402

STAGES = f"""
speech: !include:{REPOSITORY}/hparams/mini/gogospeech.yaml
    dim: 16
stage1: !ref <speech[stage1]>
stage2: !ref <speech[stage2]>
sampling: !ref <speech[sampling]>
"""


def cells(page):
    """Of the table, without head and ruler."""
    rows = [line[2:-2].split(" | ") for line in page.splitlines()]
    return [row for row in rows if len(row) == 12][1:]


def test_command_measures_and_writes_a_table(tiny_yaml, tmp_path):
    codec, stages = tmp_path / "gogo.yaml", tmp_path / "speech.yaml"
    windows = "window_groups: 48\noverlap_groups: 5\n"
    codec.write_text(tiny_yaml.read_text() + windows)
    stages.write_text(STAGES)
    options = {
        "--speech": stages,
        "--gogo": codec,
        "--device": "cpu",
        "--batches": "1",
        "--trials": "1",
        "--output": tmp_path / "page.md",
    }
    command = [sys.executable, str(BENCH / "speech.py")]
    command += [str(part) for pair in options.items() for part in pair]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text()
    assert page in done.stdout
    rows = cells(page)
    assert [row[:2] for row in rows] == [
        ["2", "all tokens"],
        ["2", "allocated"],
    ]
    assert all(float(row[2]) > float(row[3]) >= 0 for row in rows)


def test_floor_is_bytes_over_bandwidth():
    row = {"batch": 1, "name": "all tokens", "passes": [45, 105]}
    row |= {"tokens": [45, 105], "encode": 0.1, "stage1": 0.9, "stage2": 2.1}
    row |= {"decode": 0.2, "utterance": 3.2, "first": 1.0}
    machine = {"name": "M", "dtype": "float32", "compiled": True, "trials": 2}
    machine |= {"bandwidth": 2e11, "bytes": [2e9, 1e9]}
    page = speech.describe([row], machine, 3.2, 4)
    floor = f"{(45 / 100 + 105 / 200) / 3.2:.3f}"
    assert cells(page) == [
        ["1", "all tokens", "1.000", floor, "0.535", "1.000"]
        + ["50", "2.00", "50", "4.00", "0.100", "0.200"]
    ]
    assert "| RTF, one utterance, all tokens | 0.1 | 1.000 |" in page


def test_only_blocks_and_spoken_rows_are_read():
    lm = BackboneLM(speech_llama(30 + 20 + 2, 16, 2, 2, 32), 30, 20)
    block = 4 * 16 * 16 + 3 * 16 * 32 + 2 * 16
    assert bytes_per_token(lm) == 4 * (2 * block + 21 * 16)


def test_budgets_follow_the_pattern():
    budgets = speech.spread(speech.ALLOCATED, 12, 6)
    assert torch.equal(budgets[:6, 0], torch.tensor(speech.ALLOCATED))
    assert (budgets.amax(1) == 10).all()
    assert budgets.float().mean() == pytest.approx(36 / 46.875 * 10, abs=0.1)
