"""The script for GPUs, and its measurements on a CPU."""

import os
import subprocess

import pytest
import torch

STUB = """#!/usr/bin/env python3
import sys
name, output = sys.argv[3], sys.argv[sys.argv.index("--output") + 1]
if name == "training":
    sys.exit("no memory")
open(output, "w").write(f"{name} {sys.argv[sys.argv.index('--device') + 1]}")
"""


@pytest.fixture
def training(monkeypatch, request):
    monkeypatch.syspath_prepend(request.config.rootpath / "bench")
    import training

    return training


def test_failed_part_does_not_stop_the_others(tmp_path, request):
    stub = tmp_path / "python"
    stub.write_text(STUB)
    stub.chmod(0o755)
    (tmp_path / "gpu").mkdir()
    (tmp_path / "gpu" / "training.md").write_text("of an earlier run")
    done = subprocess.run(
        [
            "bash",
            request.config.rootpath / "bench" / "gpu.sh",
            tmp_path / "gpu",
        ],
        env={**os.environ, "PYTHON": str(stub)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "training failed" in done.stdout
    page = (tmp_path / "gpu" / "gpu.md").read_text()
    assert page.count("speech cuda") == 2 and "## training" not in page
    assert "no memory" in (tmp_path / "gpu" / "training.log").read_text()


def test_update_lowers_the_loss(training, tiny_yaml):
    """On the tiny model, with a loss over its output alone."""
    codec = training.load_hyperpyyaml(tiny_yaml.read_text())["model"]["codec"]

    class Objective(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.codec = codec

        def forward(self, wavs, lens, text, text_lens):
            groups, lens = self.codec.group(wavs, lens)
            q = self.codec.quantize_batch(groups, lens)[0]
            mel, cond = groups.flatten(1, 2), self.codec.align(q)
            return {"loss": self.codec.flow(mel, cond, lens)}

    model = {"objective": Objective(), "sample_rate": 24000, "text_vocab": 9}
    update = training.make_update(model, "cpu", torch.float32, 1, 0.2)
    before = codec.flow.backbone.project_out.weight.clone()
    with training.FlopCounterMode(display=False) as counter:
        update()
    assert counter.get_total_flops() > 0
    assert not torch.equal(before, codec.flow.backbone.project_out.weight)
    assert training.matrix_rate("cpu", torch.float32, training.Meter("cpu", 1))


def test_memory_is_that_of_the_chosen_gpu(training, monkeypatch):
    asked = []

    def ask(device=None):
        asked.append(device)
        return 0

    asking = "reset_peak_memory_stats memory_allocated max_memory_allocated"
    for name in asking.split():
        monkeypatch.setattr(f"torch.cuda.{name}", ask)
    meter = training.Meter("cuda:1", 1)
    meter.rest(), meter.peak()
    assert asked == 3 * [torch.device("cuda:1")]
