"""The codec recipe on two processes, and torchrun's restart of one that fails."""

import pytest
from codec_recipe import SCRIPT, arguments
from processes import run_elastic, run_ranks, run_torchrun

from speechbrain_gogo.brains.plots import read_log


def test_two_processes(main, tiny_corpus, tmp_path, monkeypatch):
    """The time limit is that of rank 0; resuming needs as many processes."""
    settings = {
        "distributed_backend": "gloo",
        "batch_seconds": 4,
        "max_minutes": 60,
        "num_samples": 1,
        "number_of_epochs": 1,
        "grad_accumulation_factor": 2,
    }
    line = arguments(tiny_corpus, tmp_path, **settings)
    run_ranks(SCRIPT, line, tmp_path / "printed.txt")
    log = read_log(tmp_path / "progress.jsonl")
    assert [row["stage"] for row in log][-1] == "valid" and len(log) > 1
    assert (tmp_path / "export" / "codec.safetensors").is_file()
    for path in (tmp_path / "save").glob("*/CKPT.yaml"):
        text = path.read_text()
        assert "processes: 2" in text
        path.write_text(text.replace("epoch: true", "epoch: false"))
    with pytest.raises(ValueError, match="processes: 2, and there are 1 now"):
        main(arguments(tiny_corpus, tmp_path))


DIES_ONCE = """
import os, runpy, sys
from speechbrain_gogo.brains.codec import CodecBrain
count_clips = CodecBrain.count_clips
first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
def die(self, batch):
    if first and os.environ["RANK"] == "1" and self.optimizer_step == 1:
        os._exit(1)
    count_clips(self, batch)
CodecBrain.count_clips = die
_, script, *sys.argv[1:] = sys.argv
runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.parametrize(
    "launch", [run_elastic, pytest.param(run_torchrun, marks=pytest.mark.long)]
)
def test_torchrun_restarts_a_failed_rank(
    launch, tiny_corpus, tmp_path, monkeypatch
):
    """All ranks are restarted from the last checkpoint."""
    # With a shared store, ranks look for those of before the restart.
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    (tmp_path / "dies_once.py").write_text(DIES_ONCE)
    settings = {
        "distributed_backend": "gloo",
        "batch_seconds": 4,
        "number_of_epochs": 1,
    }
    line = [SCRIPT, *arguments(tiny_corpus, tmp_path / "out", **settings)]
    printed = tmp_path / "printed.txt"
    launch(tmp_path / "dies_once.py", line, printed, max_restarts=1)
    assert "Loading a checkpoint" in printed.read_text()
    rows = read_log(tmp_path / "out" / "progress.jsonl")
    steps = [row["step"] for row in rows if row["stage"] == "train"]
    assert len(steps) > 2 and rows[-1]["stage"] == "valid"
