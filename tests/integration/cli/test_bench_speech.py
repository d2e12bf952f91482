"""The speech benchmark: its command on a tiny model, its arithmetic."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[3]
BENCH = REPOSITORY / "bench"
sys.path.insert(0, str(BENCH))

import speech  # noqa: E402
from parts.speech_parts import (  # noqa: E402
    SENTENCE,
    add_allocator,
    bytes_per_token,
)

from speechbrain_gogo.inference import GogoCodec  # noqa: E402
from speechbrain_gogo.lobes.speech.llama import speech_llama  # noqa: E402
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM  # noqa: E402

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


@pytest.mark.long  # every measurement is a process of its own
@pytest.mark.parametrize("weights", ["float", "int8"])
def test_command_measures_and_writes_a_table(tiny_yaml, tmp_path, weights):
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
        "--steps": "1",
        "--weights": weights,
        "--output": tmp_path / "page.md",
    }
    command = [sys.executable, str(BENCH / "speech.py")]
    command += [str(part) for pair in options.items() for part in pair]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text()
    assert page in done.stdout
    rows = cells(page)
    assert [row[:2] for row in rows] == [["1", "all"], ["1", "allocated"]]
    assert "47 characters, 3.2 s, after" in page and "1 flow steps" in page
    assert all(float(row[2]) > float(row[3]) >= 0 for row in rows)


def test_lower_bound_is_bytes_over_bandwidth():
    row = {"batch": 1, "allocate": False, "seconds": 3.2}
    row |= {"passes": [45, 105], "tokens": [45, 105], "answer": 3.2}
    row |= {"encode": 0.1, "stage1": 0.9, "stage2": 2.1, "decode": 0.2}
    row |= {"first": 1.0}
    machine = {"name": "M", "precision": "fp32", "compiled": True, "trials": 2}
    machine |= {"steps": 32, "megabytes": 3456.7}
    machine |= {"bandwidth": 2e11, "bytes": [2e9, 1e9]}
    page = speech.describe([row], machine)
    floor = f"{(45 / 100 + 105 / 200) / 3.2:.3f}"
    assert cells(page) == [
        ["1", "all", "1.000", floor, "0.535", "1.000"]
        + ["50", "2.00", "50", "4.00", "0.100", "0.200"]
    ]
    assert "| RTF, 1 request(s), all tokens | 0.1 | 1.000 |" in page
    assert "Memory: at most 3457 MB" in page


def test_bytes_per_token_are_blocks_and_output_rows():
    lm = BackboneLM(speech_llama(30 + 20 + 2, 16, 2, 2, 32), 30, 20)
    block = 4 * 16 * 16 + 3 * 16 * 32 + 2 * 16
    assert bytes_per_token(lm) == 4 * (2 * block + 21 * 16)


def test_allocator_has_the_papers_token_rate(tiny_codec_folder):
    codec = GogoCodec.from_hparams(tiny_codec_folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        add_allocator(codec)
        budgets = codec.allocate(torch.randint(12800, (1, 2000, 3)))
    assert budgets.float().mean() == pytest.approx(36 / 4.6875, abs=0.3)
    assert len(budgets.unique()) > 5
    assert len(SENTENCE) == 47
