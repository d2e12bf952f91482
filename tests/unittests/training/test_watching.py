"""What loggers get: numbers, audio and pictures, at the number of the update."""

import json
import sys
from collections import Counter
from types import ModuleType, SimpleNamespace

import numpy
import pytest
import soundfile
import torch
from matplotlib.image import imsave
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.train_logger import TensorboardLogger

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.logs import throughput, watching
from speechbrain_gogo.brains.logs.loggers import RecipeLogger, log_report
from speechbrain_gogo.brains.training.budget import TrainingBudget
from speechbrain_gogo.dataio.report import ClipReport


class Writer:
    """Takes what TensorBoard's takes."""

    purge_step, closed = None, False

    def __init__(self, folder):
        self.folder, self.written = folder, {}

    def add_scalar(self, name, value, step):
        assert type(value) in (int, float) and isinstance(step, int)
        self.written[name, step] = value

    def add_audio(self, name, wav, step, sample_rate):
        self.written["audio", name, step] = tuple(wav.shape), sample_rate

    def add_image(self, name, pixels, step, dataformats):
        self.written["image", name, step] = pixels.shape, dataformats

    def close(self):
        self.closed = True


class Run:
    """Takes what a run of Weights & Biases takes."""

    def __init__(self, **settings):
        self.settings, self.rows, self.axes = settings, [], {}

    def define_metric(self, name, step_metric=None):
        self.axes[name] = step_metric

    def log(self, values, step=None):
        assert step is None
        self.rows.append(values)


@pytest.fixture
def packages(monkeypatch):
    """Stand-ins for both packages."""
    tensorboard = ModuleType("torch.utils.tensorboard")
    tensorboard.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, tensorboard.__name__, tensorboard)
    wandb = ModuleType("wandb")
    wandb.init, wandb.Audio, wandb.Image = Run, str, str
    monkeypatch.setitem(sys.modules, "wandb", wandb)


@pytest.fixture
def logger(packages, tmp_path):
    path = tmp_path / "train_log.txt"
    return RecipeLogger(path, also=["tensorboard", "wandb"])


def test_loggers_accept_what_brains_log(logger, tmp_path):
    brain = CodecBrain.__new__(CodecBrain)
    brain.__dict__.update(
        skipped={},
        skipped_clips=lambda: Counter({"cut": 2}),
        valid_report=ClipReport({"used": 1, "silent": 1}),
        optimizer_step=3,
        draw_samples=lambda folder: None,
        hparams=SimpleNamespace(
            output_folder=str(tmp_path), train_logger=logger
        ),
    )
    brain.log_path = tmp_path / "progress.jsonl"
    errors = {"mel error keep 1": 0.5}
    brain.write_log("valid", **errors)
    brain.log_validation(1, {"loss": 1.0}, errors)
    report = ClipReport({"used": 3, "cut": 2})
    log_report(logger, "training data", report)
    tensorboard, wandb = (other for other in logger.others)
    written = tensorboard.writer.written
    assert written["mel error keep 1/valid", 3] == 0.5
    assert written["clips skipped (cut)", 3] == 2
    assert written["validation clips skipped (silent)", 3] == 1
    assert written["training data used", 3] == 3
    rows = wandb.run.rows
    assert rows[0] == {"valid": {"mel error keep 1": 0.5}, "update": 3}
    assert rows[1]["epochs"] == 1
    assert rows[2]["training data skipped (cut)"] == 2
    said = (tmp_path / "train_log.txt").read_text().splitlines()
    assert said[-1] == f"training data: {report}"
    host = TensorboardLogger(str(tmp_path))
    log_report(host, "validation data", report)
    assert host.writer.written["validation data read", 1] == 5


def test_resumed_training_continues_its_steps(logger, packages, tmp_path):
    assert logger.others[1].run.settings["mode"] == "offline"
    assert logger.others[1].run.axes == {"update": None, "*": "update"}
    again = RecipeLogger(logger.save_file, ["tensorboard", "wandb"])
    again.resume(40)
    tensorboard, wandb = again.others
    ids = [each.others[1].run.settings["id"] for each in (logger, again)]
    assert ids[0] == ids[1]
    # Of a run that was killed after update 40 and its checkpoint.
    assert tensorboard.writer.closed and tensorboard.writer.purge_step == 41
    again.log_row(50, "train", {"loss": 2.0})
    again.log_row(50, "valid, oracle", {"reward": 1.0})
    again.log_stats({"epoch": 2}, {"loss": 9.0}, {"loss": 9.0}, {"loss": 3.0})
    assert tensorboard.writer.written == {
        ("loss/train", 50): 2.0,
        ("oracle reward/valid", 50): 1.0,
        ("epoch", 50): 2,
        ("loss/test", 50): 3.0,
    }
    assert [row["update"] for row in wandb.run.rows] == [50, 50, 50]


def test_environment_names_the_run(logger, packages, tmp_path, monkeypatch):
    settings = logger.others[1].run.settings
    found = settings["project"], settings["name"]
    assert found == ("speechbrain_gogo", tmp_path.name)
    monkeypatch.setenv("WANDB_PROJECT", "codecs")
    monkeypatch.setenv("WANDB_NAME", "third")
    (wandb,) = RecipeLogger(logger.save_file, ["wandb"]).others
    settings = wandb.run.settings
    assert (settings["project"], settings["name"]) == ("codecs", "third")


def test_a_run_that_cannot_start_says_why(packages, tmp_path):
    def init(**settings):
        raise RuntimeError("api_key not configured")

    sys.modules["wandb"].init = init
    with pytest.raises(RuntimeError, match="api_key"):
        RecipeLogger(tmp_path / "a.txt", ["wandb"], "online")


def test_samples_are_logged(logger, tmp_path):
    folder = tmp_path / "samples"
    logger.log_samples(5, folder)  # there are none
    folder.mkdir()
    soundfile.write(folder / "a.wav", numpy.zeros(240), 24000)
    imsave(folder / "a.png", numpy.zeros((3, 4, 3)))
    logger.log_samples(7, folder)
    tensorboard, wandb = logger.others
    assert tensorboard.writer.written == {
        ("audio", "samples/a", 7): ((240,), 24000),
        ("image", "samples/a", 7): ((3, 4, 3), "HWC"),
    }
    (row,) = wandb.run.rows
    paths = {f"{folder}/a.wav", f"{folder}/a.png"}
    assert paths < set(row.values()) and row["update"] == 7


def test_missing_packages_of_loggers_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no .'tensorbord'., but"):
        RecipeLogger(tmp_path / "a.txt", also=["tensorbord"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match="pip install wandb"):
        RecipeLogger(tmp_path / "a.txt", also=["wandb"])


class Brain(TrainingBrain):
    """Learns a number from what it hears."""

    def compute_forward(self, batch, stage):
        return self.modules.layer(batch.sig.data.mean(1, keepdim=True))

    def compute_objectives(self, predictions, batch, stage):
        return predictions.square().sum()


def test_training_rows_have_throughput_and_gradient_norm(
    logger, tmp_path, monkeypatch, caplog
):
    now = [100.0]
    monkeypatch.setattr(throughput.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watching, "Throughput", throughput.Throughput)
    hparams = {
        "output_folder": str(tmp_path),
        "budget": TrainingBudget(100, warmup_steps=0),
        "learning_rate": 0.5,
        "sample_rate": 10,
        "seed": 0,
        "train_logger": logger,
    }
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(3.0)
    brain = Brain({"layer": layer}, torch.optim.SGD, hparams)
    brain.on_fit_start()
    brain.train_batches = [None] * 9
    clips = [{"id": "a", "sig": torch.ones(20)}]
    clips += [{"id": "b", "sig": torch.ones(10)}]
    brain.step = 1
    brain.fit_batch(PaddedBatch(clips))
    now[0] += 2.0
    brain.throughput.pause()  # for a validation
    now[0] += 60.0
    brain.throughput.resume()
    caplog.set_level("INFO")
    brain.write_log("train", loss=1.0)
    brain.write_log("valid", loss=1.0)
    rows = (tmp_path / "progress.jsonl").read_text().splitlines()
    train, valid = map(json.loads, rows)
    assert train["audio seconds per second"] == pytest.approx(1.5)
    # The mean of b is .5 with its padding: d/dw of (w^2 + (w/2)^2).
    assert train["gradient norm"] == pytest.approx(2 * 3 * (1 + 0.25))
    assert 0 < train["learning rate"] <= 0.5
    assert set(valid) == {"step", "stage", "loss"}
    assert "Update 1: 1.0 % of the training, 1:42 hours left" in caplog.text
    written = logger.others[0].writer.written
    assert written["gradient norm/train", 1] == train["gradient norm"]
