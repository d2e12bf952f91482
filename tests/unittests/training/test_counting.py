"""Clips are counted, the best checkpoint is a finite one."""

import math
from types import SimpleNamespace

import pytest
import torch

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.checkpoints import AtomicCheckpointer
from speechbrain_gogo.brains.logs.counting import UsableBatches
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.manifests.dataset import (
    check_usable,
    collate_usable,
)
from speechbrain_gogo.dataio.report import ClipReport


def clip(key, usable=True):
    sig = torch.ones(10) if usable else AudioError("cut", f"{key} is cut")
    return {"id": key, "sig": sig}


def batch(**clips):
    return collate_usable([clip(key, good) for key, good in clips.items()])


@pytest.fixture
def brain(tmp_path):
    """A Brain that learns a number, with a checkpointer."""

    class Brain(TrainingBrain):
        def compute_forward(self, batch, stage):
            return self.modules.layer(torch.ones(1, 1))

        def compute_objectives(self, predictions, batch, stage):
            return predictions.square().sum()

    budget = SimpleNamespace(
        factor=lambda step: 1.0, over=lambda step: False, minutes=0.0
    )
    layer = torch.nn.Linear(1, 1)
    return Brain(
        modules={"layer": layer},
        opt_class=lambda groups: torch.optim.SGD(groups, lr=0.1),
        hparams={
            "output_folder": str(tmp_path),
            "budget": budget,
            "learning_rate": 0.1,
            "seed": 0,
        },
        run_opts={"device": "cpu"},
        checkpointer=AtomicCheckpointer(tmp_path / "save", {"layer": layer}),
    )


def test_clips_that_were_never_heard_are_not_used(brain, tmp_path):
    brain.count_clips(batch(a=True, b=False))
    brain.count_clips(batch(a=True, c=True))
    brain.count_clips(batch(d=False))  # nothing but silence
    listed = ClipReport({"used": 7, "too short": 2})
    report = brain.training_report(listed)
    assert report == {
        "used": 2,
        "too short": 2,
        "cut": 2,
        "training ended before": 3,
    }
    assert report.read == listed.read
    brain.checkpointer.save_checkpoint()
    brain.skipped.clear()
    brain.used.hashes.clear()
    brain.checkpointer.recover_if_possible()
    assert brain.training_report(listed) == report


def test_an_epoch_of_silence_ends_the_training(brain):
    silence = [batch(a=False), batch(b=False)]
    brain.init_optimizers()
    brain.on_stage_end = lambda *_: None
    with pytest.raises(ValueError, match="No training clip of epoch 1.*cut"):
        brain._fit_train(silence, 1, False)
    brain._fit_train([*silence, batch(c=True)], 2, False)  # one will do


def test_silence_belongs_to_no_validation():
    batches = UsableBatches([batch(a=True, b=False), batch(c=False)])
    assert len(batches) == 2
    assert [list(each.id) for each in batches] == [["a"]]
    assert batches.report == {"used": 1, "cut": 2}
    with pytest.raises(ValueError, match="No validation clip .*cut: 1"):
        list(UsableBatches([batch(c=False)]))


def test_a_data_set_without_a_usable_clip_is_refused():
    check_usable([clip("a", False), clip("b")], "clips.csv")
    with pytest.raises(ValueError, match="clips.csv: no clip.*cut: 2"):
        check_usable([clip("a", False), clip("b", False)], "clips.csv")


def test_a_loss_that_is_nan_is_no_perfect_validation(brain):
    brain.modules.eval()
    brain.step = 1
    assert math.isnan(brain.update_average(torch.tensor(math.nan), 0.0))
    brain.step = 2
    assert brain.update_average(torch.tensor(3.0), 1.0) == 2.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["min", "max"])
def test_the_best_checkpoint_has_a_finite_figure(brain, bad, kind, caplog):
    """Whenever the other one comes, also if an earlier version saved it."""
    best = 1.0 if kind == "min" else 3.0
    for figure in (bad, 2.0, bad, best, bad, 2.0, bad):
        brain.save_validated({"x": figure}, **{f"{kind}_keys": ["x"]})
    brain.checkpointer.save_checkpoint(meta={"x": bad})
    assert "never counts as the best" in caplog.text
    found = brain.checkpointer.find_checkpoint(**{f"{kind}_key": "x"})
    assert found.meta["x"] == best
    brain.checkpointer.save_and_keep_only(
        meta={"x": bad}, **{f"{kind}_keys": ["x"]}
    )
    found = brain.checkpointer.find_checkpoint(**{f"{kind}_key": "x"})
    assert found.meta["x"] == best
    brain.on_evaluate_start(**{f"{kind}_key": "x"})


def test_a_checkpoint_replaces_the_one_of_its_name(brain):
    checkpointer = brain.checkpointer
    for figure in (1, 2):
        saved = checkpointer.save_checkpoint(meta={"x": figure}, name="last")
        assert list(checkpointer.checkpoints_dir.iterdir()) == [saved.path]
        (found,) = checkpointer.list_checkpoints()
        assert found.meta["x"] == figure and found.paramfiles["layer"].is_file()


def test_no_best_checkpoint_is_an_error(brain):
    brain.save_validated({"loss": math.nan}, min_keys=["loss"])
    with pytest.raises(ValueError, match="has a finite loss"):
        brain.on_evaluate_start(min_key="loss")
