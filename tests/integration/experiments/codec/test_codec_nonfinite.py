"""NaN in losses and gradients: updates are skipped, too many end the training."""

import json

import pytest
import speechbrain as sb
import torch
from codec_recipe import arguments

from speechbrain_gogo.brains.codec import CodecBrain


def spoil(monkeypatch, bad):
    """Losses of some updates become NaN, as of features that are NaN, whose ids
    are those of no code; weights before each are noted.
    """
    objective, weights = CodecBrain.compute_objectives, {}

    def compute(self, predictions, batch, stage):
        loss = objective(self, predictions, batch, stage)
        if stage == sb.Stage.TRAIN:
            codec = self.hparams.codec
            weights[self.optimizer_step] = codec.places.detach().clone()
            if bad(self.optimizer_step):
                loss = loss * float("nan")
                predictions["tokens"].fill_(-(2**31))
        return loss

    monkeypatch.setattr(CodecBrain, "compute_objectives", compute)
    return weights


def test_update_with_nan_loss_is_skipped(
    main, tiny_corpus, tmp_path, monkeypatch
):
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


def test_too_many_nan_losses_stop_training(
    main, tiny_corpus, tmp_path, monkeypatch
):
    """Also if epochs are shorter than the patience."""
    spoil(monkeypatch, lambda step: step >= 2)
    with pytest.raises(ValueError, match="Update 5: the loss is nan"):
        main(arguments(tiny_corpus, tmp_path, nonfinite_patience=3))


def test_too_many_nonfinite_gradients_stop_training(
    main, tiny_corpus, tmp_path, monkeypatch
):
    """Also if every loss is finite; the weights do not change."""
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
