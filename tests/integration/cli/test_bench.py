"""The codec benchmark: its command on a tiny model, its parts one by one."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from speechbrain_gogo.lobes.gogo.dit import DiT

BENCH = Path(__file__).resolve().parents[3] / "bench"
sys.path.insert(0, str(BENCH))

import codec as bench  # noqa: E402
from measure import Meter, measure  # noqa: E402
from parts import bench_report  # noqa: E402
from parts.bench_systems import SYSTEMS  # noqa: E402
from parts.decoding_pass import multiply_adds  # noqa: E402


@pytest.fixture(scope="module")
def model_yaml(tiny_yaml, tmp_path_factory):
    """The tiny model, with what the benchmark wants besides."""
    path = tmp_path_factory.mktemp("bench") / "gogo.yaml"
    windows = "window_groups: 4\noverlap_groups: 1\n"
    path.write_text(tiny_yaml.read_text() + windows)
    return path


def table_rows(page):
    """Cells of the measurements, without head and ruler."""
    rows = [line[2:-2].split(" | ") for line in page.splitlines()]
    return [row for row in rows if len(row) == 8 and row[0].endswith(" s")]


@pytest.mark.long  # every measurement is a process of its own
def test_command_measures_and_writes_a_table(model_yaml, tmp_path):
    page = tmp_path / "bench.md"
    options = {
        "--gogo": model_yaml,
        "--systems": "gogo",
        "--lengths": "1",
        "--rounds": "1",
        "--output": page,
    }
    command = [sys.executable, str(BENCH / "codec.py")]
    command += [str(part) for pair in options.items() for part in pair]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert page.read_text() in done.stdout
    (cells,) = table_rows(page.read_text())
    assert cells[:2] == ["1 s", "Gogo"]
    assert float(cells[2]) > 0 and float(cells[4]) > 0
    assert cells[3] == cells[5] == "1"
    assert float(cells[6]) > 0 and float(cells[7]) > 0
    assert "decoding pass, times its multiply-adds' time" in page.read_text()


@pytest.mark.parametrize("name", ["gogo-file", "encodec"])
def test_every_system_encodes_and_decodes(name, model_yaml, tmp_path):
    SYSTEMS[name].prepare(tmp_path, model_yaml)
    system = SYSTEMS[name](tmp_path, "cpu")
    meter = Meter("cpu", threads=1)
    for operation in ("encode", "decode"):
        found = measure(system, operation, 2, meter)
        assert found["spent"] > 0
        assert 0 < found["growth"] < found["rest"]


def test_time_of_skipped_flow_steps_is_added(model_yaml, tmp_path):
    SYSTEMS["gogo"].prepare(tmp_path, model_yaml)
    system = SYSTEMS["gogo"](tmp_path, "cpu")
    flow, meter = system.codec.codec.flow, Meter("cpu", threads=1)
    flow.num_steps = 300
    one = measure(system, "decode", 1, meter)["spent"]
    told = measure(system, "decode", 1, meter, steps=10)["spent"]
    assert 0.3 < told / one < 3


def test_scale_measures_parts_of_seconds(monkeypatch):
    import scale

    def heard(codec, path, out_path):
        return soundfile.info(path).frames

    monkeypatch.setattr(scale, "pin", lambda threads: None)
    monkeypatch.setattr(scale, "measured", lambda action, seconds_of: action())
    monkeypatch.setattr(scale.GogoCodec, "reconstruct_file", heard)
    for seconds in (0.4, 1.5):
        assert scale.reconstruct("gogo-mini", seconds) == 24000 * seconds


def test_multiply_adds_equal_torch_count():
    dit = DiT(10, 16, dim=64, num_layers=3, num_heads=2, conv_groups=4)
    x, condition = torch.randn(1, 40, 10), dit.condition(torch.randn(1, 40, 16))
    modulation = dit.modulation(torch.rand(1))
    dit.requires_grad_(False)
    plain = sdpa_kernel(SDPBackend.MATH)  # fused attention is not counted
    with plain, FlopCounterMode(display=False) as counter:
        dit.velocity(x, condition, modulation)
    assert 2 * multiply_adds(dit, 40) == counter.get_total_flops()


def test_long_audio_is_measured_for_streaming_codecs_only():
    jobs = list(bench.plan(["gogo", "gogo-file", "dac"], [10, 1800], 3, 60, 10))
    long = [job for job in jobs if job.get("seconds") == 1800]
    assert [(job["system"], job["steps"]) for job in long] == [
        ("gogo-file", None),
        ("gogo-file", 1),
    ]
    assert sum(job.get("seconds") == 10 for job in jobs) == 3 * 2 * 3
    assert sum(job["operation"] == "pass" for job in jobs) == 3
    partial = {job["system"] for job in jobs if job.get("steps")}
    assert partial == {"gogo-file"}


def test_report_says_what_was_not_measured(tmp_path):
    def job(system, operation, seconds, spent, growth):
        sizes = {"sample_rate": 24000, "parameters": 1e6, "rest": 1.0}
        fields = {"steps": None, "spent": spent, "growth": growth}
        place = {"system": system, "operation": operation, "seconds": seconds}
        return {**place, **fields, **sizes}

    found = [
        job(system, operation, seconds, speed * seconds, 20 * seconds)
        for system, speed in (("gogo", 0.1), ("mimi", 0.2))
        for operation in ("encode", "decode")
        for seconds in (10, 60)
    ] + [
        job("gogo-file", operation, seconds, 180, 100)
        for operation in ("encode", "decode")
        for seconds in (10, 1800)
    ]
    setting = {"device": "cpu", "threads": 1, "rounds": 1}
    setting["max_peer_seconds"] = 60
    names = ["gogo", "gogo-file", "mimi"]
    page = bench_report.write_report(
        found, names, setting, tmp_path / "page.md"
    )
    lines = table_rows(page)
    assert len(lines) == 9
    assert lines[2] == ["10 s", "Mimi", *["0.2", "2"] * 2, "200", "200"]
    missing = "not measured: about 36.0 GB"
    nothing = ["not measured", ""] * 2
    assert lines[8] == ["1800 s", "Mimi", *nothing, missing, missing]
    assert lines[7][2::2][:2] == ["0.1", "0.1"]
    assert "| encode, times Mimi's at 10 s | 1 | 0.50 |" in page
    assert "more at 1800 s than at 10 s | 200 | 0 |" in page
