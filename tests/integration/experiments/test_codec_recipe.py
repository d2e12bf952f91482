"""The LibriTTS codec recipe: it learns, and bad luck costs it nothing.

Every run is the recipe itself on a dozen clips with a tiny model; most are in
this process, where a stop, a NaN or a full disk can be arranged.
"""

import csv
import json
import re
import resource
import runpy
import signal
from pathlib import Path

import pytest
import speechbrain as sb
import torch
from processes import run_elastic, run_ranks, run_torchrun, start_process
from safetensors.torch import load_file

from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.plots import read_log

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = REPOSITORY / "recipes" / "LibriTTS" / "codec" / "train.py"
TINY = {
    "model": "{dim: 32, text_vocab: 40, encoder: {stem_layers: 1, "
    "num_layers: 1, ffn_dim: 64}, backbone: {num_layers: 1}, "
    "asr_head: {num_layers: 1, ffn_dim: 64}, ar_prior: {ffn_dim: 64}, "
    "objective: {share: 0.2}}",
    "device": "cpu",
    "precision": "fp32",
    "skip_prep": True,
    "num_workers": 0,
    "num_steps": 20,
    "number_of_epochs": 2,
    "warmup_steps": 2,
    "batch_seconds": 8,
    "num_buckets": 2,
    "log_interval": 1,
    "valid_keeps": "[1, 10]",
    "num_samples": 0,
    "ckpt_interval_minutes": 0,
    "ckpt_interval_steps": 1,
}


def arguments(data_folder, output_folder, **overrides):
    """The recipe's command line."""
    settings = {
        "data_folder": data_folder,
        "train_csv": data_folder / "train.csv",
        "valid_csv": data_folder / "valid.csv",
        "output_folder": output_folder,
        **TINY,
        **overrides,
    }
    yaml = SCRIPT.parent / "hparams" / "mini.yaml"
    options = [str(x) for k, v in settings.items() for x in (f"--{k}", v)]
    return [str(yaml), *options, "--noprogressbar"]


@pytest.fixture(scope="module")
def main():
    """The recipe's main function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)  # of ablation.py
        yield runpy.run_path(str(SCRIPT))["main"]


@pytest.fixture(scope="module")
def order():
    """Which clips each update saw, as {update: ids}."""
    seen, forward = {}, CodecBrain.compute_forward

    def note(self, batch, stage):
        if stage == sb.Stage.TRAIN:
            seen[self.optimizer_step] = tuple(batch.id)
        return forward(self, batch, stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CodecBrain, "compute_forward", note)
        yield seen


@pytest.fixture(scope="module")
def whole(main, order, tiny_corpus, tmp_path_factory):
    """A run without trouble: its log, summaries, and order of clips."""
    folder = tmp_path_factory.mktemp("whole")
    main(arguments(tiny_corpus, folder))
    result = read_log(folder / "progress.jsonl"), summaries(folder), dict(order)
    order.clear()
    return result


def summaries(folder):
    """One line per validation."""
    lines = (folder / "train_log.txt").read_text().splitlines()
    return [line for line in lines if "epoch" in line]


def checkpoints(folder):
    return sorted(path.name for path in (folder / "save").iterdir())


class Stop(Exception):
    """Power is gone."""


def test_learns(main, tiny_corpus, tmp_path):
    """Four clips, forty times over, with some that cannot be used.

    At a rate that rounding to bf16 does not upset, on whatever processor.
    """
    with open(tiny_corpus / "train.csv", newline="") as file:
        header, *rows = csv.reader(file)
    broken = tmp_path / "cut.wav"
    whole_file = Path(rows[0][2].replace("$data_root", str(tiny_corpus)))
    broken.write_bytes(whole_file.read_bytes()[:9000])
    listed = [[f"{r[0]}-{i}", *r[1:]] for i in range(20) for r in rows[:4]]
    listed += [["cut", 1.5, broken, 0, "a"], ["long", 99, broken, 0, "a"]]
    with open(tmp_path / "train.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *listed])
    with open(tmp_path / "more.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, rows[0]])
    main(
        arguments(
            tiny_corpus,
            tmp_path / "out",
            train_csv=tmp_path / "train.csv",
            more_train_csv=f"{{'{tmp_path}/more.csv': '{tiny_corpus}'}}",
            num_steps=110,
            batch_seconds=4,
            model=TINY["model"].replace("0.2", "1.0"),
            learning_rate=0.001,
            ckpt_interval_steps=0,
            num_samples=1,
            precision="bf16",
        )
    )
    told = (tmp_path / "out" / "log.txt").read_text()
    assert told.count("training precision: `--precision=bf16`") == 1
    assert "--precision=fp32`" not in told.replace("eval_precision", "")
    log = read_log(tmp_path / "out" / "progress.jsonl")
    losses = [row["cfm"] for row in log if row["stage"] == "train"]
    assert sum(losses[-20:]) < 0.8 * sum(losses[:20])
    said = (tmp_path / "out" / "train_log.txt").read_text()
    assert "read 83 clips = used 81 + skipped 2" in said
    assert "truncated audio: 1" in said and "not 1 to 20 s long: 1" in said
    written = {path.name for path in (tmp_path / "out").rglob("*")}
    assert {"curves.png", "codec.safetensors", "hyperparams.yaml"} <= written
    assert any(name.endswith("_keep10.wav") for name in written)


def test_starts_from_another_codec(main, tiny_corpus, tmp_path):
    """Its weights are where the training begins: at rate 0, where it ends."""
    once = {"num_steps": 1, "number_of_epochs": 1, "ckpt_interval_steps": 0}
    main(arguments(tiny_corpus, tmp_path / "first", **once))
    options = {"start_from": tmp_path / "first/export", "learning_rate": 0.0}
    main(arguments(tiny_corpus, tmp_path / "second", seed=5, **once, **options))
    first, second = (
        load_file(tmp_path / name / "export" / "codec.safetensors")
        for name in ("first", "second")
    )
    # Running statistics go on without a learning rate.
    weights = [x for x in first if not x.endswith((".mean", ".variance"))]
    assert all(torch.equal(first[name], second[name]) for name in weights)
    options["model"] = TINY["model"].replace(
        "{dim", "{codec: {mel_std: 3}, dim"
    )
    with pytest.raises(ValueError, match="mel has the numbers .*mel_std"):
        main(arguments(tiny_corpus, tmp_path / "third", **options))


def test_frozen_parts_stay(main, tiny_corpus, tmp_path):
    """And the others learn; a part that is not there is refused."""
    options = {"num_steps": 2, "number_of_epochs": 1, "warmup_steps": 0}
    options |= {"ckpt_interval_steps": 0, "learning_rate": 0.01}
    with pytest.raises(ValueError, match="codec has no decoder; it has"):
        main(arguments(tiny_corpus, tmp_path / "a", frozen="[decoder]"))
    options["frozen"] = "[encoder]"
    main(arguments(tiny_corpus, tmp_path / "b", **options))
    main(arguments(tiny_corpus, tmp_path / "c", **{**options, "num_steps": 1}))
    longer, shorter = (
        load_file(tmp_path / name / "export" / "codec.safetensors")
        for name in ("b", "c")
    )
    moved = {k for k in longer if not torch.equal(longer[k], shorter[k])}
    assert any(name.startswith("flow") for name in moved)
    assert not any(name.startswith("encoder") for name in moved)


def test_stops_leave_no_trace(main, order, whole, tiny_corpus, tmp_path):
    """Mid-epoch twice, at an epoch's last batch, and after its validation."""
    log, said, seen = whole
    batches = len(seen) // 2  # of an epoch
    assert batches >= 3 and seen[0] != seen[batches]
    save, validate = CodecBrain._save_intra_epoch_ckpt, CodecBrain._fit_valid
    stops = [1, 2, batches, "validation", batches + 1]

    def save_and_stop(self):
        save(self)
        if self.optimizer_step in stops[:1]:
            raise Stop

    def validate_and_stop(self, *args, **kwargs):
        validate(self, *args, **kwargs)
        if stops[:1] == ["validation"]:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CodecBrain, "_save_intra_epoch_ckpt", save_and_stop)
        patch.setattr(CodecBrain, "_fit_valid", validate_and_stop)
        while stops:
            with pytest.raises(Stop):
                main(arguments(tiny_corpus, tmp_path, num_workers=1))
            stops.pop(0)
        main(arguments(tiny_corpus, tmp_path, num_workers=1))
    assert order == seen
    assert read_log(tmp_path / "progress.jsonl") == log
    assert summaries(tmp_path) == said


def test_validates_now_and_then(main, order, tiny_corpus, tmp_path):
    """After the first epoch and the last; what follows no trace of a stop."""
    settings = {"number_of_epochs": 3, "ckpt_interval_steps": 0}
    settings["valid_interval_minutes"] = 1000
    main(arguments(tiny_corpus, tmp_path / "a", **settings))
    seen, said = dict(order), summaries(tmp_path / "a")
    log = read_log(tmp_path / "a" / "progress.jsonl")
    steps = [row["step"] for row in log if row["stage"] == "valid"]
    assert steps == [len(seen) // 3, len(seen)] and len(said) == 2
    order.clear()
    validate = CodecBrain._fit_valid

    def stop(self, valid_set, epoch, enable):
        if epoch == 2:
            raise Stop
        validate(self, valid_set, epoch, enable)

    line = arguments(tiny_corpus, tmp_path / "b", **settings)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(CodecBrain, "_fit_valid", stop)
        main(line)
    main(line)
    assert order == seen
    again = read_log(tmp_path / "b" / "progress.jsonl")
    rows = [[r for r in x if r["stage"] == "train"] for x in (log, again)]
    assert rows[0] == rows[1] and again[-1] == log[-1]
    order.clear()


KILLED_WHILE_SAVING = """
import os, runpy, signal, sys, torch
save, calls = torch.save, 0
def save_half(state, path):
    global calls
    calls += "/save/" in str(path)  # not those of the path alone
    save(state, path)
    if calls == 10:  # the averaged weights of the third checkpoint
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = save_half
_, script, *sys.argv[1:] = sys.argv
sys.path.insert(0, os.path.dirname(script))
runpy.run_path(script, run_name="__main__")
"""


def test_kill_and_full_disk_while_saving(
    main, order, whole, tiny_corpus, tmp_path, monkeypatch
):
    killer, printed = tmp_path / "killer.py", tmp_path / "printed.txt"
    killer.write_text(KILLED_WHILE_SAVING)
    line = arguments(tiny_corpus, tmp_path)
    killed = start_process(killer, [SCRIPT, *line], printed)
    killed.join(600)
    assert killed.exitcode == -signal.SIGKILL, printed.read_text()
    kept, lost = checkpoints(tmp_path)
    assert kept.startswith("CKPT+") and lost.startswith("partial-CKPT+")

    save = torch.save

    def save_to_full_disk(state, path):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            save(state, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_to_full_disk)
        with pytest.raises(OSError, match=re.escape(kept)):
            main(line)
    assert kept in checkpoints(tmp_path)
    main(line)
    log, said, seen = whole
    assert read_log(tmp_path / "progress.jsonl") == log
    assert summaries(tmp_path) == said
    order.clear()


def spoil(monkeypatch, bad):
    """Losses of some updates become NaN; weights before each are noted."""
    objective, weights = CodecBrain.compute_objectives, {}

    def compute(self, predictions, batch, stage):
        loss = objective(self, predictions, batch, stage)
        if stage == sb.Stage.TRAIN:
            codec = self.hparams.codec
            weights[self.optimizer_step] = codec.places.detach().clone()
            loss = loss * float("nan") if bad(self.optimizer_step) else loss
        return loss

    monkeypatch.setattr(CodecBrain, "compute_objectives", compute)
    return weights


def test_nan_loss_changes_nothing(main, tiny_corpus, tmp_path, monkeypatch):
    weights = spoil(monkeypatch, lambda step: step in (2, 4))
    main(arguments(tiny_corpus, tmp_path, nonfinite_patience=1))
    assert torch.equal(weights[3], weights[2])
    assert torch.equal(weights[5], weights[4])
    assert not torch.equal(weights[4], weights[3])
    text = (tmp_path / "progress.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    steps = {row["step"] for row in rows if row["stage"] == "train"}
    assert steps == set(range(1, max(steps) + 1)) - {3, 5}
    assert max(steps) > 5 and "NaN" not in text


def test_nan_in_a_row_stops(main, tiny_corpus, tmp_path, monkeypatch):
    """Also across epochs, of which each is shorter than the patience."""
    spoil(monkeypatch, lambda step: step >= 2)
    with pytest.raises(ValueError, match="Update 5: the loss is nan"):
        main(arguments(tiny_corpus, tmp_path, nonfinite_patience=3))


def test_gradients_that_are_not_finite_stop_it_too(
    main, tiny_corpus, tmp_path, monkeypatch
):
    """Though every loss is finite; weights stay as they were."""
    weights = spoil(monkeypatch, lambda step: False)
    objective = CodecBrain.compute_objectives

    def overflow(self, predictions, batch, stage):
        loss = objective(self, predictions, batch, stage)
        if stage == sb.Stage.TRAIN and self.optimizer_step >= 1:
            loss.register_hook(lambda grad: grad * float("inf"))
        return loss

    monkeypatch.setattr(CodecBrain, "compute_objectives", overflow)
    with pytest.raises(ValueError, match="Update 4: the norm of the gradient"):
        main(arguments(tiny_corpus, tmp_path, nonfinite_patience=3))
    assert torch.equal(weights[4], weights[1])


def test_stops_are_between_updates(main, tiny_corpus, tmp_path, monkeypatch):
    """Not while gradients wait for more: they are in no checkpoint."""
    places = []

    def note(self):
        places.append(self.step)

    monkeypatch.setattr(CodecBrain, "_save_intra_epoch_ckpt", note)
    settings = {"grad_accumulation_factor": 2, "number_of_epochs": 1}
    main(arguments(tiny_corpus, tmp_path, **settings))
    assert places and all(step % 2 == 0 for step in places)
    settings["grad_accumulation_factor"] = 1000
    with pytest.raises(ValueError, match="an update takes 1000: make batches"):
        main(arguments(tiny_corpus, tmp_path / "b", **settings))


def test_two_processes(main, tiny_corpus, tmp_path, monkeypatch):
    """The clock of the first rules, and a stop needs as many to resume."""
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
def test_a_rank_that_dies_is_started_again(
    launch, tiny_corpus, tmp_path, monkeypatch
):
    """With all others, by torchrun, from the last checkpoint."""
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
