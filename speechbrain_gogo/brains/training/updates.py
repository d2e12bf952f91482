"""One update of the weights: batches, gradients, learning rates.

SpeechBrain's Brain has one group of parameters, clips the gradients of the
first group only, and discards the gradients of the remaining batches when an
epoch ends within an update. Here groups have their own learning rates, clipping
covers all groups, the last update of an epoch uses the remaining batches, and
updates that are not finite are skipped.
"""

import logging
from collections import Counter, defaultdict

import speechbrain as sb
import torch

from speechbrain_gogo.brains.training.sharding import (
    ShardedModule,
    ShardedOptimizer,
    whole,
)

logger = logging.getLogger(__name__)


def parameter_groups(modules):
    """Groups of parameters with a learning-rate factor each, for an optimizer.

    Modules may have a ``learning_rate_factor``, which applies to all parameters
    inside; the innermost one is used. Groups, dicts with "params" and
    "learning_rate_factor", are in the order of their first parameters.

    Example
    -------
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
    >>> model.append(torch.nn.Linear(2, 1))[2].learning_rate_factor = 50
    >>> groups = parameter_groups(model)
    >>> [(len(g["params"]), g["learning_rate_factor"]) for g in groups]
    [(2, 1.0), (2, 50)]
    """
    factors = {}
    for module in modules.modules():  # outer ones come first
        factor = getattr(module, "learning_rate_factor", None)
        if factor is not None:
            factors.update(dict.fromkeys(module.parameters(), factor))
    groups = defaultdict(list)
    for weight in modules.parameters():
        groups[factors.get(weight, 1.0)].append(weight)
    return [
        {"params": weights, "learning_rate_factor": factor}
        for factor, weights in groups.items()
    ]


class UpdatingBrain(sb.Brain):
    """A Brain whose updates are complete, clipped as a whole, or skipped.

    The recipe's YAML gives ``budget`` (a
    :class:`~speechbrain_gogo.brains.training.budget.TrainingBudget`),
    ``learning_rate`` and optionally ``shard_weights``: then each process of a
    distributed run keeps a share of the weights.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.nonfinite_in_a_row = 0  # losses
        self.bad_gradients = Counter()  # in a row, by what they are of
        self.update_finite = True  # all losses of this update so far
        self.waiting = 0  # batches whose gradients wait for their update
        self.train_batches = None  # has as many as an epoch has batches
        self.gradient_norm = None  # of the last update, before clipping

    def init_optimizers(self):
        """One optimizer, with a group for each learning-rate factor."""
        self.optimizer = self.opt_class(parameter_groups(self.modules))
        self.optimizers_dict = {"opt_class": self.optimizer}
        saved = self.optimizer
        if self.shards_weights:
            saved = ShardedOptimizer(saved)
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("optimizer", saved)

    # Processes

    @property
    def shards_weights(self):
        """Whether each process keeps its share of the weights only."""
        wanted = getattr(self.hparams, "shard_weights", False)
        return wanted and self.distributed_launch

    def _wrap_distributed(self):
        if not self.shards_weights:
            if self.distributed_launch and self.device_type == "cpu":
                self._wrap_on_cpu()
            else:
                super()._wrap_distributed()
            return
        saved = self.checkpointer.recoverables if self.checkpointer else {}
        for name, module in self.modules.items():
            sharded = ShardedModule(module, self.device_type, self.precision)
            self.modules[name] = sharded
            for key, value in saved.items():
                if value is module:
                    saved[key] = sharded

    def _wrap_on_cpu(self):
        # SpeechBrain's SyncBatchNorm needs GPUs: here each process normalizes
        # its own batch.
        for name, module in self.modules.items():
            if any(weight.requires_grad for weight in module.parameters()):
                self.modules[name] = torch.nn.parallel.DistributedDataParallel(
                    module, find_unused_parameters=self.find_unused_parameters
                )

    # Batches of an update

    def _fit_train(self, train_set, epoch, enable):
        # Samplers may make other numbers of batches in every epoch: the
        # length is asked for when it is needed.
        self.train_batches = train_set
        super()._fit_train(train_set, epoch, enable)
        if self.waiting:
            logger.warning(
                "Epoch %s ended %d batches earlier than its loader had said: "
                "they are not used.",
                epoch,
                self.waiting,
            )
            self.waiting = 0

    def batches_of_update(self):
        """Number of batches of this update; fewer at the end of an epoch."""
        limit = len(self.train_batches)
        if self.debug:
            limit = min(limit, self.debug_batches)
        before = self.step - 1 - self.waiting  # of this epoch, in updates
        return min(self.grad_accumulation_factor, limit - before)

    def fit_batch(self, batch):
        """One batch of an update; the last one updates the weights.

        The gradient of the update is the mean of those of
        ``batches_of_update``. Returns the loss of the batch, detached, on the CPU.
        """
        size = self.batches_of_update()
        if not self.waiting:
            self.update_finite = True
        self.waiting += 1
        should_step = self.waiting == size
        self.on_fit_batch_start(batch, should_step)
        with self.no_sync(not should_step):
            with self.training_ctx:
                outputs = self.compute_forward(batch, sb.Stage.TRAIN)
                loss = self.compute_objectives(outputs, batch, sb.Stage.TRAIN)
            scaled_loss = self.scaler.scale(loss / size)
            self.check_loss_isfinite(scaled_loss)
            scaled_loss.backward()
        if should_step:
            self.optimizers_step()
            self.waiting = 0
        self.on_fit_batch_end(batch, outputs, loss, should_step)
        return loss.detach().cpu()

    @property
    def _optimizer_step_limit_exceeded(self):
        # SpeechBrain asks this before every batch: the budget is the limit, but
        # an update that has begun is completed.
        if self.waiting:
            return False
        return self.hparams.budget.over(self.optimizer_step)

    def _should_save_intra_epoch_ckpt(self, *since):
        # Gradients that wait for an update are in no checkpoint.
        if self.waiting:
            return False
        return super()._should_save_intra_epoch_ckpt(*since)

    # Learning rates and gradients

    def on_fit_batch_start(self, batch, should_step):
        """Set the learning rate (Table 4)."""
        self.set_learning_rate(self.optimizer)

    def set_learning_rate(self, optimizer):
        """Set the next update's learning rate, times each group's factor."""
        factor = self.hparams.budget.factor(self.optimizer_step + 1)
        for group in optimizer.param_groups:
            group["lr"] = factor * self.hparams.learning_rate
            group["lr"] *= group.get("learning_rate_factor", 1.0)

    def optimizers_step(self):
        """Clip all gradients together, and step if they are finite."""
        self.step_optimizer(self.optimizer)
        self.optimizer_step += 1

    def update(self, loss, optimizer, of):
        """Backward pass and step of one of several optimizers."""
        self.set_learning_rate(optimizer)
        # Losses of other optimizers have left gradients in these weights.
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.step_optimizer(optimizer, of)

    def step_optimizer(self, optimizer, of="the gradient"):
        """One step of an optimizer, unless its gradient is not finite.

        ``of`` is the name of the quantity, for the message.
        """
        self.scaler.unscale_(optimizer)
        groups = optimizer.param_groups
        every = [weight for group in groups for weight in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(every, self.max_grad_norm)
        norm = whole(norm)  # of the shards of all processes
        if optimizer is self.optimizer:  # not of discriminators
            self.gradient_norm = norm
        if self.is_finite(norm, of) or not self.skip_nonfinite_grads:
            self.scaler.step(optimizer)
        self.scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def check_loss_isfinite(self, loss):
        """Stop after too many consecutive bad losses, also across epochs."""
        if torch.isfinite(loss):
            self.nonfinite_in_a_row = 0
            return
        self.update_finite = False
        self.nonfinite_in_a_row += 1
        what = f"the loss is {loss.item()}"
        self.warn_of_nonfinite(what, self.nonfinite_in_a_row)

    def is_finite(self, norm, of="the gradient"):
        """Whether a norm is finite; raises after too many consecutive failures."""
        if norm.isfinite():
            self.bad_gradients[of] = 0
            return True
        # The scaler of fp16 makes some; a loss has been warned of before.
        if self.update_finite and not self.scaler.is_enabled():
            self.bad_gradients[of] += 1
            what = f"the norm of {of} is {norm.item()}"
            self.warn_of_nonfinite(what, self.bad_gradients[of])
        return False

    def warn_of_nonfinite(self, what, times):
        """Warn of a skipped update, or stop if there are too many."""
        where = f"Update {self.optimizer_step}: {what}"
        if times > self.nonfinite_patience:
            raise ValueError(
                f"{where}, as it was {self.nonfinite_patience} times before "
                "(nonfinite_patience). Resume with a lower learning_rate or "
                "with precision fp32."
            )
        logger.warning("%s; this update is skipped.", where)
