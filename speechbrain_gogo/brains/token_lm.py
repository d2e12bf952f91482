"""Base class of the Brains of language models of tokens.

It logs the loss and the perplexity at each position of a group, in training and
validation, plots them, and keeps the best and the last checkpoints.
"""

import functools
import logging
import math

import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import average_checkpoints

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.checkpoints import has_finite
from speechbrain_gogo.dataio.ranks import sum_over_ranks

logger = logging.getLogger(__name__)


class LevelMeans:
    """Losses of predicted tokens by their position in the group.

    ``names`` are those of the positions, which are numbered from 0.

    Example
    -------
    >>> means = LevelMeans(["1", "2", "end"])
    >>> means.add(torch.tensor([0.0, 2.0, 1.0]), torch.tensor([0, 0, 1]))
    >>> {name: round(value, 3) for name, value in means.read().items()}
    {'loss': 1.0, 'perplexity 1': 2.718, 'perplexity 2': 2.718}
    """

    def __init__(self, names):
        self.names = names
        self.clear()

    def clear(self):
        """Reset all sums."""
        self.sums = torch.zeros(2, len(self.names), dtype=torch.float64)

    def add(self, nll, level):
        """Add tokens: their losses [P] in nats, and positions int64 [P] from 0."""
        nll = nll.detach().double()
        counted = torch.stack([nll, torch.ones_like(nll)])
        self.sums = self.sums.to(nll.device)  # stays there until it is read
        self.sums.index_add_(1, level, counted)

    def gather(self):
        """Sum over all ranks; every rank has to call it."""
        self.sums = sum_over_ranks({"sums": self.sums})["sums"]

    def read(self):
        """Mean "loss" of all tokens in nats, and "perplexity NAME" of each position.

        Positions without tokens are left out, and the loss if there are no
        tokens.
        """
        nll, count = self.sums.sum(1).tolist()
        found = {"loss": nll / count} if count else {}
        for name, nll, count in zip(self.names, *self.sums.tolist()):
            if count:
                found[f"perplexity {name}"] = math.exp(nll / count)
        return found


class TokenLMBrain(TrainingBrain):
    """Trains a language model whose output has "loss", "nll" and "level".

    The recipe's YAML gives ``lm``, ``log_interval``, ``average_checkpoints`` (1
    if it has none) with ``average_within``, and what
    :class:`~speechbrain_gogo.brains.base.TrainingBrain` needs. A subclass
    implements ``level_names`` and ``compute_forward``.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        names = self.level_names()
        self.recent, self.valid = LevelMeans(names), LevelMeans(names)
        self.train_loss = math.nan  # of the last epoch
        # Checkpoints whose weights are averaged.
        self.num_averaged = getattr(self.hparams, "average_checkpoints", 1)

    def level_names(self):
        """Names of the positions, in the order of "level", a list of str."""
        raise NotImplementedError

    # One update

    def compute_objectives(self, predictions, batch, stage):
        """The cross-entropy, "loss" of the model; a validation counts its "nll"."""
        if stage != sb.Stage.TRAIN:
            self.valid.add(predictions["nll"], predictions["level"])
        return predictions["loss"]

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Write the log."""
        if self.nonfinite_in_a_row:
            return
        self.recent.add(outputs["nll"], outputs["level"])
        if should_step and self.optimizer_step % self.hparams.log_interval == 0:
            row = self.recent.read()
            if "aligner" in outputs:
                row["aligner"] = float(outputs["aligner"])
            self.write_log("train", **row)
            self.recent.clear()

    # Validation

    def on_stage_start(self, stage, epoch=None):
        """Start the means of a validation."""
        self.valid.clear()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, draw, save a checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        self.valid.gather()
        stats = self.valid.read()
        self.write_log("valid", **stats)
        self.log_validation(epoch, {"loss": self.train_loss}, stats)
        self.save_validated(
            {"loss": stats["loss"]},
            min_keys=["loss"],
            max_keys=["step"],
            num_to_keep=self.num_averaged,
        )

    # After the training

    def load_final_weights(self):
        """Load the best checkpoint, or the average of the last ones.

        Of the last ``average_checkpoints`` validations those whose loss is at most
        ``average_within`` above the best one: weights from the beginning of a
        training, where epochs are long, would spoil the average. Raises a ValueError
        if no checkpoint has a finite loss.
        """
        self.on_evaluate_start(min_key="loss")
        if self.num_averaged == 1:
            return
        last = self.checkpointer.find_checkpoints(
            max_key="step",
            ckpt_predicate=lambda saved: has_finite(saved.meta, "loss"),
            max_num_checkpoints=self.num_averaged,
        )
        most = min(saved.meta["loss"] for saved in last)
        most += self.hparams.average_within
        last = [saved for saved in last if saved.meta["loss"] <= most]
        load = functools.partial(torch.load, map_location="cpu")
        self.hparams.lm.load_state_dict(average_checkpoints(last, "lm", load))
        steps = [saved.meta["step"] for saved in last]
        logger.info(
            "The weights are the average of those of updates %s.", steps
        )
