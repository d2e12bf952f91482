"""What the Brains of the codec and of the language models share.

The learning rate and the end of a training by a budget, exact resuming in the
middle of an epoch, patience with updates that are not finite, the count of
skipped clips and the JSON-lines log. What is trained is the subclasses' matter.
"""

import json
import logging
import math
import os
from collections import Counter
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.utils.distributed import get_rank, if_main_process
from torch.nn.utils import get_total_norm

from speechbrain_gogo.brains.checkpoints import num_processes
from speechbrain_gogo.brains.skipped import SkippedClips

logger = logging.getLogger(__name__)


class TrainingBrain(sb.Brain):
    """A Brain whose updates follow a budget and survive bad luck.

    The recipe's YAML gives ``budget`` (a
    :class:`~speechbrain_gogo.brains.budget.TrainingBudget`),
    ``learning_rate``, ``seed`` and ``output_folder``; where epochs may be
    short, ``valid_interval_minutes`` and ``epoch_counter``. A recipe that
    learns from tokens adds ``codec_fingerprint``, by which the codec is known.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.log_path = Path(self.hparams.output_folder) / "progress.jsonl"
        self.skipped = SkippedClips()
        if self.checkpointer:
            self.checkpointer.add_recoverable("skipped", self.skipped)
        self.nonfinite_in_a_row = 0  # losses
        self.bad_gradients = Counter()  # in a row, by what they are of
        self.validated = -math.inf  # at which of the budget's minutes
        self.codec_fingerprint = getattr(
            self.hparams, "codec_fingerprint", None
        )

    # Resuming

    def make_dataloader(self, dataset, stage, **kwargs):
        """The host's loader, whose batches change from epoch to epoch.

        Without a distributed run the host never tells a batch sampler the
        epoch, and every epoch would see the batches of the first. A budget
        without a number of updates gets that of all epochs (Table 4 counts
        some trainings in epochs).
        """
        sampler = kwargs.get("batch_sampler")
        loader = super().make_dataloader(dataset, stage, **kwargs)
        if stage == sb.Stage.TRAIN and self.train_sampler is None:
            self.train_sampler = sampler
        if stage == sb.Stage.TRAIN and len(loader) < 2 <= num_processes():
            raise ValueError(
                f"{num_processes()} processes share fewer than 2 batches each:"
                " make batches smaller, or train with fewer processes."
            )
        if stage == sb.Stage.TRAIN and len(loader) < max(
            1, self.grad_accumulation_factor
        ):
            raise ValueError(
                f"An epoch has {len(loader)} batches, an update takes "
                f"{self.grad_accumulation_factor}: make batches smaller, or "
                "train on more clips."
            )
        budget = self.hparams.budget
        if stage == sb.Stage.TRAIN and budget.num_steps is None:
            updates = len(loader) // self.grad_accumulation_factor
            budget.num_steps = max(1, updates) * self.hparams.number_of_epochs
            if budget.warmup_steps >= budget.num_steps:
                logger.warning(
                    "%d epochs have %d updates, of which warmup_steps (%d) "
                    "leaves none: the learning rate never gets to its full "
                    "height. Choose fewer.",
                    self.hparams.number_of_epochs,
                    budget.num_steps,
                    budget.warmup_steps,
                )
        return loader

    def on_fit_start(self):
        """Resume with the same codec, if there is one.

        In the middle of an epoch, on as many processes only: each one's place
        in the data is its own.
        """
        last = self.checkpointer and self.checkpointer.find_checkpoint()
        if self.codec_fingerprint is not None:
            self.keep_to_codec(last)
        if last and not last.meta["end-of-epoch"]:
            before = last.meta.get("processes", num_processes())
            if before != num_processes():
                raise ValueError(
                    f"{last.path} was saved in the middle of an epoch by "
                    f"{before} processes, and there are {num_processes()} now:"
                    " resume with as many, or delete it to go on from the end "
                    "of an epoch."
                )
        super().on_fit_start()

    def keep_to_codec(self, last):
        """Refuse the last checkpoint of another codec; mark those to come."""
        self.checkpointer.facts["codec"] = ours = self.codec_fingerprint
        theirs = last.meta.get("codec", "unknown") if last else ours
        if theirs != ours:
            raise ValueError(
                f"{last.path} has learned from a codec with fingerprint "
                f"{theirs}, and this one has {ours}: choose another "
                f"output_folder, or delete {last.path.parent} to start anew."
            )

    def generator(self):
        """Random draws of this batch on this rank, the same after a resume."""
        batches = self.grad_accumulation_factor
        count = self.optimizer_step * batches + self.step % batches
        place = (self.hparams.seed, count, get_rank() or 0)
        return torch.Generator().manual_seed(hash(place) % 2**63)

    def _should_save_intra_epoch_ckpt(self, *since):
        # Gradients that wait for an update are in no checkpoint.
        if self.step % self.grad_accumulation_factor:
            return False
        return super()._should_save_intra_epoch_ckpt(*since)

    # One update

    def on_fit_batch_start(self, batch, should_step):
        """Set the learning rate (Table 4)."""
        self.set_learning_rate(self.optimizer)

    def set_learning_rate(self, optimizer):
        """The budget's, for the update that comes."""
        factor = self.hparams.budget.factor(self.optimizer_step + 1)
        for group in optimizer.param_groups:
            group["lr"] = factor * self.hparams.learning_rate

    @property
    def _optimizer_step_limit_exceeded(self):
        # The host asks this before every batch: the budget is the limit.
        return self.hparams.budget.over(self.optimizer_step)

    def check_loss_isfinite(self, loss):
        """Stop after too many bad losses in a row, over epochs too."""
        if torch.isfinite(loss):
            self.nonfinite_in_a_row = 0
            return
        self.nonfinite_in_a_row += 1
        what = f"the loss is {loss.item()}"
        self.warn_of_nonfinite(what, self.nonfinite_in_a_row)

    def check_gradients(self):
        """Skip the whole update if a gradient is not finite."""
        every = [p.grad for p in self.modules.parameters()]
        norm = get_total_norm([g for g in every if g is not None])
        if not self.is_finite(norm):
            self.zero_grad(set_to_none=True)

    def is_finite(self, norm, of="the gradient"):
        """Whether a norm is; too many in a row that are not end the training."""
        if norm.isfinite():
            self.bad_gradients[of] = 0
            return True
        # The scaler of fp16 makes some; what the loss has done is known.
        if not (self.scaler.is_enabled() or self.nonfinite_in_a_row):
            self.bad_gradients[of] += 1
            what = f"the norm of {of} is {norm.item()}"
            self.warn_of_nonfinite(what, self.bad_gradients[of])
        return False

    def warn_of_nonfinite(self, what, times):
        """Warn of an update that is skipped, or stop if it is one too many."""
        where = f"Update {self.optimizer_step}: {what}"
        if times > self.nonfinite_patience:
            raise ValueError(
                f"{where}, as it was {self.nonfinite_patience} times before "
                "(nonfinite_patience). Resume with a lower learning_rate or "
                "with precision fp32."
            )
        logger.warning("%s; this update is skipped.", where)

    # Validation

    def _fit_valid(self, valid_set, epoch, enable):
        # The host asks this after every epoch.
        if self.wants_validation():
            super()._fit_valid(valid_set, epoch, enable)
            self.validated = self.hparams.budget.minutes

    def wants_validation(self):
        """Whether the last one is long ago, or no epoch will follow.

        All ranks have to ask. Checkpoints of whole epochs come with a
        validation: a resumed training repeats the epochs without.
        """
        interval = getattr(self.hparams, "valid_interval_minutes", 0)
        if self.debug or not interval:
            return True
        epochs, budget = self.hparams.epoch_counter, self.hparams.budget
        if epochs.current >= epochs.limit or budget.over(self.optimizer_step):
            return True
        wants = [budget.minutes - self.validated >= interval]
        if self.distributed_launch:  # rank 0 keeps the time
            torch.distributed.broadcast_object_list(wants, src=0)
        return wants[0]

    # Records

    def skipped_clips(self):
        """Training clips whose audio was broken, by reason, on all ranks.

        Every rank has to ask.
        """
        return Counter(self.skipped.everywhere().values())

    def write_log(self, stage, **values):
        """Append one row to the JSON-lines log."""
        if if_main_process():
            row = {"step": self.optimizer_step, "stage": stage, **values}
            line = json.dumps(row) + "\n"
            with open(self.log_path, "ab+") as log:
                if log.tell():
                    log.seek(-1, os.SEEK_END)
                    if log.read(1) != b"\n":  # a kill cut the last one off
                        line = "\n" + line
                log.write(line.encode())
