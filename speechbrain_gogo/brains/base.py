"""Base class of the Brains.

Exact resuming within an epoch, validation at intervals of time, the choice of the
best checkpoint. Updates are in updates.py, counts of clips and logs in logs/;
subclasses define what is trained.
"""

import contextlib
import logging
import math

import speechbrain as sb
import torch
from speechbrain.utils.distributed import ddp_broadcast, get_rank

from speechbrain_gogo.brains.checkpoints import has_finite, num_processes
from speechbrain_gogo.brains.logs.watching import WatchedBrain
from speechbrain_gogo.brains.training.sharding import ShardedModule
from speechbrain_gogo.lobes.nn.precision import full_precision

logger = logging.getLogger(__name__)


class TrainingBrain(WatchedBrain):
    """A Brain that resumes exactly and logs its progress.

    The recipe's YAML gives ``budget`` (a
    :class:`~speechbrain_gogo.brains.training.budget.TrainingBudget`),
    ``learning_rate``, ``seed`` and ``output_folder``; for short epochs also
    ``valid_interval_minutes`` and ``epoch_counter``. A recipe that learns from
    tokens adds ``codec_fingerprint``, the identity of the codec.

    ``resume_data`` sets how a training resumes that was stopped within an
    epoch: "exact" (default) continues with the next batch, and raises a
    ValueError if the order of batches has changed; "restart" begins the epoch
    again. ``validate_first`` adds a validation before the first update, whose
    checkpoint is the initial model.

    Example
    -------
    >>> from speechbrain_gogo.brains.training.budget import TrainingBudget
    >>> class Brain(TrainingBrain):
    ...     def compute_forward(self, batch, stage):
    ...         return self.modules.net(batch)
    ...     def compute_objectives(self, predictions, batch, stage):
    ...         return predictions.square().mean()
    >>> hparams = {"budget": TrainingBudget(4, 0), "learning_rate": 0.1}
    >>> hparams |= {"seed": 0, "output_folder": getfixture("tmp_path")}
    >>> modules = {"net": torch.nn.Linear(2, 1)}
    >>> brain = Brain(modules, torch.optim.AdamW, hparams, {"device": "cpu"})
    >>> brain.fit(range(2), torch.ones(2, 8, 2), progressbar=False)
    >>> brain.optimizer_step
    4
    """

    # A subclass whose figures of a validation are sums over all ranks has each
    # rank validate its share.
    splits_validation = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Of datasets with an index.
        self.train_loader = self.valid_loader = None
        self.validated = -math.inf  # at which of the budget's minutes
        self.codec_fingerprint = getattr(
            self.hparams, "codec_fingerprint", None
        )

    # Resuming

    def make_dataloader(self, dataset, stage, **kwargs):
        """SpeechBrain's loader, with different batches in each epoch.

        Undistributed, SpeechBrain passes no epoch to a batch sampler, and all
        epochs would have the batches of the first. A budget without a number of
        updates gets that of all epochs (Table 4).
        """
        sampler = kwargs.get("batch_sampler")
        if stage == sb.Stage.VALID and self.splits_validation and sampler:
            share = slice(get_rank() or 0, None, num_processes())
            kwargs["batch_sampler"] = list(sampler)[share]
        loader = super().make_dataloader(dataset, stage, **kwargs)
        if stage == sb.Stage.VALID:
            self.valid_loader = loader
        if stage == sb.Stage.TRAIN:
            self.train_loader = loader
            made = f"{len(dataset)} clips in {len(loader)} batches, seed "
            made = getattr(sampler, "identity", f"{made}{self.hparams.seed}")
            if hasattr(self.checkpointer, "metadata"):
                self.checkpointer.metadata["batches"] = made
            if self.train_sampler is None:
                self.train_sampler = sampler
            self._count_updates(len(loader))
        return loader

    def _count_updates(self, batches):
        """Check that an epoch has enough batches, and complete the budget."""
        per_update = self.grad_accumulation_factor
        if batches < 2 <= num_processes():
            raise ValueError(
                f"{num_processes()} processes share fewer than 2 batches each:"
                " make batches smaller, or train with fewer processes."
            )
        if batches < max(1, per_update):
            raise ValueError(
                f"An epoch has {batches} batches, an update takes "
                f"{per_update}: make batches smaller (batch_clips or "
                "batch_seconds), or train on more clips."
            )
        budget = self.hparams.budget
        if budget.num_steps is None:
            epochs = self.hparams.number_of_epochs
            budget.num_steps = math.ceil(batches / per_update) * epochs
            if budget.warmup_steps >= budget.num_steps:
                logger.warning(
                    "%d epochs have %d updates, of which warmup_steps (%d) "
                    "leaves none: the learning rate never gets to its full "
                    "height. Choose fewer.",
                    epochs,
                    budget.num_steps,
                    budget.warmup_steps,
                )

    def _train_loader_specifics(self, dataset, loader_kwargs):
        # SpeechBrain would put the batches of all ranks into a list on each.
        sampler = loader_kwargs.get("batch_sampler")
        if getattr(sampler, "over_ranks", False):
            self.train_sampler = sampler
            return loader_kwargs
        return super()._train_loader_specifics(dataset, loader_kwargs)

    def on_fit_start(self):
        """Check that a resumed training has the same codec.

        Within an epoch it also needs the same number of processes and the same
        batches, unless the data restarts.
        """
        last = self.checkpointer and self.checkpointer.find_checkpoint()
        if self.codec_fingerprint is not None:
            self.keep_to_codec(last)
        how = getattr(self.hparams, "resume_data", "exact")
        if how not in ("exact", "restart"):
            raise ValueError(f"resume_data='{how}': use 'exact' or 'restart'.")
        if how == "exact" and last and not last.meta["end-of-epoch"]:
            self.keep_to_batches(last)
        super().on_fit_start()
        if how == "restart" and self.train_loader is not None:
            # SpeechBrain would skip what the epoch has seen, and count it.
            self.train_loader._speechbrain_recovery_skip_to = None
            self.step, self.avg_train_loss = 0, 0.0
        first = getattr(self.hparams, "validate_first", False)
        if first and not self.optimizer_step:
            self._fit_valid(self.valid_loader, 0, enable=False)

    def keep_to_batches(self, last):
        """Raise an error if an epoch would resume with different batches."""
        now = {"processes": num_processes(), **self.checkpointer.metadata}
        for name in ("processes", "batches"):
            before = last.meta.get(name, now.get(name))
            if before != now.get(name):
                raise ValueError(
                    f"{last.path} was saved in the middle of an epoch with "
                    f"{name}: {before}, and there are {now.get(name)} now. "
                    "Resume with the same, or give --resume_data restart to "
                    "begin that epoch anew."
                )

    def keep_to_codec(self, last):
        """Raise an error for another codec's checkpoint; record it in new ones."""
        self.checkpointer.metadata["codec"] = ours = self.codec_fingerprint
        theirs = last.meta.get("codec", "unknown") if last else ours
        if theirs != ours:
            raise ValueError(
                f"{last.path} has learned from a codec with fingerprint "
                f"{theirs}, and this one has {ours}: choose another "
                f"output_folder, or delete {last.path.parent} to start anew."
            )

    def receive(self, batch):
        """Record a batch, and seed dropout, by another seed than :meth:`generator`."""
        super().receive(batch)
        torch.manual_seed(hash((*self.place(), 1)) % 2**63)

    def generator(self):
        """A torch.Generator on the CPU, the same after a resume."""
        return torch.Generator().manual_seed(hash(self.place()) % 2**63)

    def place(self):
        """What random numbers of a batch depend on: seed, count, rank."""
        batches = self.grad_accumulation_factor
        count = self.optimizer_step * batches + self.step % batches
        return self.hparams.seed, count, get_rank() or 0

    def unwrapped(self, module, stage):
        """One of ``modules`` without its distributed wrapper, except in training.

        The wrapper's forward waits for the other ranks, which may have a
        different number of validation batches.
        """
        if stage == sb.Stage.TRAIN:
            return module
        return getattr(module, "module", module)

    # Validation

    def _fit_valid(self, valid_set, epoch, enable):
        if self.wants_validation():  # SpeechBrain asks after every epoch
            with self.validating():
                super()._fit_valid(valid_set, epoch, enable)
            self.validated = self.hparams.budget.minutes

    @contextlib.contextmanager
    def validating(self):
        """Full precision or ``eval_precision``, and unsharded models."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(full_precision(self.device_type))
            for module in self.modules.values():
                if isinstance(module, ShardedModule):
                    stack.enter_context(module.gathered())
            yield

    def evaluate(self, *args, **kwargs):
        """Evaluate as SpeechBrain does, in full precision or ``eval_precision``."""
        with self.validating():
            return super().evaluate(*args, **kwargs)

    def wants_validation(self):
        """Whether a validation is due, or this is the last epoch.

        All ranks have to call it. Checkpoints of whole epochs are saved by a
        validation: a resumed training repeats epochs without one.
        """
        interval = getattr(self.hparams, "valid_interval_minutes", 0)
        if self.debug or not interval:
            return True
        epochs, budget = self.hparams.epoch_counter, self.hparams.budget
        if epochs.current >= epochs.limit or budget.over(self.optimizer_step):
            return True
        # Rank 0 keeps the time.
        return ddp_broadcast(budget.minutes - self.validated >= interval)

    # Records

    def save_validated(self, figures, **ranking):
        """Save a checkpoint after a validation; the best one stays.

        Checkpoints are ranked by finite figures only: SpeechBrain sorts them,
        and comparisons with NaN are always false. ``ranking`` is ``min_keys`` or
        ``max_keys`` of SpeechBrain's ``save_and_keep_only``, if any.
        """
        finite = {k: v for k, v in figures.items() if math.isfinite(v)}
        for name in figures.keys() - finite.keys():
            logger.warning(
                "Update %d: the validation figure %s is %s. Its checkpoint is "
                "saved for resuming, but never counts as the best one.",
                self.optimizer_step,
                name,
                figures[name],
            )
        self.checkpointer.save_and_keep_only(
            meta={**finite, "step": self.optimizer_step}, **ranking
        )

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Load the best checkpoint, as SpeechBrain does.

        Raises a ValueError if no checkpoint has a finite figure.
        """
        key = max_key or min_key
        if key and self.checkpointer is not None:
            saved = self.checkpointer.list_checkpoints()
            if saved and not any(has_finite(c.meta, key) for c in saved):
                raise ValueError(
                    f"No checkpoint below {self.checkpointer.checkpoints_dir} "
                    f"has a finite {key}: the training has failed, and there "
                    "is no best one. Train with a lower learning_rate."
                )
        super().on_evaluate_start(max_key=max_key, min_key=min_key)
