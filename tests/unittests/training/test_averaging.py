"""What a language model's training exports: the best weights, or an average."""

from types import SimpleNamespace

import pytest
import speechbrain as sb
import torch

from speechbrain_gogo.brains.checkpoints import AtomicCheckpointer
from speechbrain_gogo.brains.token_lm import TokenLMBrain

LOSSES = {1: 5.0, 2: 1.0, 3: 2.0, 4: 3.0, 5: float("nan")}  # by update


class Brain(TokenLMBrain):
    def level_names(self):
        return ["loss"]

    def write_log(self, *_, **__):
        pass

    log_validation = write_log


@pytest.mark.parametrize(
    "number, within, weight",
    [(1, 9, 2), (3, 9, 3), (9, 9, 2.5), (9, 1.5, 2.5), (9, 0.5, 2)],
)
def test_average_of_the_last_validations(tmp_path, number, within, weight):
    """One: the best. More: the mean of the last ones that are nearly as good."""
    layer = torch.nn.Linear(1, 1)
    hparams = {"lm": layer, "average_checkpoints": number, "seed": 0}
    hparams["average_within"] = within
    hparams["budget"] = SimpleNamespace(factor=lambda step: 1.0, minutes=0.0)
    hparams |= {"output_folder": str(tmp_path), "learning_rate": 0.1}
    brain = Brain(
        modules={"lm": layer},
        opt_class=lambda groups: torch.optim.SGD(groups, lr=0.1),
        hparams=hparams,
        run_opts={"device": "cpu"},
        checkpointer=AtomicCheckpointer(tmp_path / "save", {"lm": layer}),
    )
    for update, loss in LOSSES.items():
        brain.optimizer_step = update
        layer.weight.data.fill_(update)
        figures = {"loss": loss}
        brain.valid = SimpleNamespace(
            gather=lambda: None, read=lambda figures=figures: figures
        )
        brain.on_stage_end(sb.Stage.VALID, None, epoch=1)
    brain.load_final_weights()
    assert layer.weight.item() == weight
