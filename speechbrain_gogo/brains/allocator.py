"""The Brain that trains the token allocator (Section 3.3, Appendix D).

The codec is frozen and part of the reward. An update computes the rewards of
all budgets of every group, the policy's logits from the backbones, and the
objective. The log compares the policy with an oracle that knows the rewards (an
upper bound), and with the same budget for all groups (a baseline).
"""

from collections import Counter

import speechbrain as sb
import torch

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.dataio.ranks import sum_over_ranks
from speechbrain_gogo.lobes.allocator.ablations import divergence_from_start
from speechbrain_gogo.lobes.allocator.policy import group_relative_advantage
from speechbrain_gogo.lobes.nn.lengths import length_mask


class PolicyStats:
    """Tokens and reward of a policy, of an oracle and of a uniform budget.

    The policy takes the choice with the highest logit, the oracle the one with
    the highest reward; "uniform" is the single choice with the highest mean
    reward. ``first`` is b, the tokens of the first choice; ``group_rate`` is in
    groups per second.

    Example
    -------
    >>> means = PolicyStats(first=3, group_rate=5.0)
    >>> logits, rewards = torch.eye(8)[[0, 7]], torch.eye(8)[[0, 1]]
    >>> means.add(logits, rewards)
    >>> found = means.read()
    >>> found["policy"]["tokens/s"], found["policy"]["reward"]
    (32.5, 0.5)
    >>> found["oracle"]["tokens/s"], found["uniform"]["reward"]
    (17.5, 0.5)
    """

    def __init__(self, first, group_rate):
        self.first = first
        self.group_rate = group_rate
        self.clear()

    def clear(self):
        """Reset all sums."""
        self.sums = Counter()

    def add(self, logits, rewards):
        """Add groups: logits of the policy and rewards of all choices, both [M, G]."""
        logits, rewards = logits.detach().double(), rewards.double()
        advantages = group_relative_advantage(rewards)
        tokens = self.first + torch.arange(rewards.shape[1]).to(rewards)
        # Tokens, reward and advantage of each choice.
        outcomes = torch.stack([tokens.expand_as(rewards), rewards, advantages])
        for name, score in {"policy": logits, "oracle": rewards}.items():
            choice = score.argmax(-1, keepdim=True).expand(3, -1, 1)
            self.sums[name] += outcomes.gather(-1, choice).sum((1, 2))  # [3]
        self.sums["uniform"] += outcomes.sum(1)  # [3, G], to choose from later
        policy = torch.distributions.Categorical(logits=logits)
        self.sums["entropy"] += policy.entropy().sum()
        self.sums["count"] += len(logits)

    def gather(self):
        """Sum over all ranks; every rank has to call it."""
        self.sums = sum_over_ranks(self.sums)

    def read(self):
        """Means over groups of "policy", "oracle" and "uniform", dicts.

        Each has "tokens/s", "reward" and "advantage"; the policy also "entropy", in
        nats.
        """
        sums = dict(self.sums)
        count = sums.pop("count")
        means = {name: total.cpu() / count for name, total in sums.items()}
        entropy = float(means.pop("entropy"))  # nats
        best = means["uniform"][1].argmax()
        means["uniform"] = means["uniform"][:, best]
        found = {
            name: {
                "tokens/s": float(tokens) * self.group_rate,
                "reward": float(reward),
                "advantage": float(advantage),
            }
            for name, (tokens, reward, advantage) in means.items()
        }
        found["policy"]["entropy"] = entropy
        return found


class AllocatorBrain(TrainingBrain):
    """Trains a :class:`~speechbrain_gogo.lobes.allocator.policy.TokenAllocator`.

    ``modules`` has the policy only, as ``allocator``: a distributed wrapper
    calls its forward. The recipe's YAML gives ``reward`` (a
    :class:`~speechbrain_gogo.lobes.allocator.reward.ReconstructionReward`),
    ``objective`` (a function of lobes/allocator/ablations.py) with
    ``objective_options``, ``kl_weight``, ``replay_groups`` (of a
    ``replay_buffer``,
    :class:`~speechbrain_gogo.brains.training.replay_buffer.ReplayBuffer`, the
    number of groups that each update draws from it; 0 needs no buffer),
    ``log_interval`` and what
    :class:`~speechbrain_gogo.brains.base.TrainingBrain` needs. A training batch
    without audio uses groups of the replay buffer only.
    """

    splits_validation = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        reward = self.hparams.reward.to(self.device)
        # Checkpoints depend on the decoder and the weights of the reward, the
        # replay buffer on the decoder.
        self.codec_fingerprint = reward.fingerprint
        if self.checkpointer:
            known = reward.distance_fingerprint
            self.checkpointer.metadata["distances"] = known
        codec = reward.codec
        self.modules.allocator.check_fits(codec)
        self.backbone_size = codec.backbone_size
        rate = codec.sample_rate / codec.group_samples
        self.scored = {}  # ids of a validation batch to the result of `score`
        self.recent = PolicyStats(self.backbone_size, rate)
        self.valid = PolicyStats(self.backbone_size, rate)

    # One update

    def compute_forward(self, batch, stage):
        """Logits and rewards of the choices, both [M, G] for M real groups.

        Gives a dict: "logits", "rewards", "fresh" and the generator "draws". In
        training the first "fresh" groups are those of the batch (none without
        audio), the others those of the replay buffer.
        """
        draws = self.generator()
        training = stage == sb.Stage.TRAIN
        read = self.read_training if training else self.read_validation
        found = read(batch, draws)
        backbones, distances = (torch.cat(parts) for parts in zip(*found))
        allocator = self.unwrapped(self.modules.allocator, stage)
        logits = allocator(backbones.unsqueeze(0))
        return {
            "logits": logits.squeeze(0).float(),
            "rewards": self.hparams.reward.weigh(distances),
            "fresh": len(found[0][0]) if hasattr(batch, "sig") else 0,
            "draws": draws,
        }

    def read_training(self, batch, draws):
        """Backbones and distances of the batch and of the replay buffer."""
        found, replayed = [], self.hparams.replay_groups
        if hasattr(batch, "sig"):
            found.append(self.score(batch.to(self.device), draws))
        if replayed:
            buffer = self.hparams.replay_buffer
            for parts in found:
                buffer.add(*parts)
            old = buffer.draw(replayed, draws)
            found.append([part.to(self.device) for part in old])
        return found

    def read_validation(self, batch, draws):
        """Backbones and distances of a batch; clips are decoded once for all epochs."""
        key = tuple(batch.id)
        if key not in self.scored:
            draws.manual_seed(self.hparams.seed)  # the same noise at each start
            parts = self.score(batch.to(self.device), draws)
            self.scored[key] = [part.cpu() for part in parts]
        return [[part.to(self.device) for part in self.scored[key]]]

    def score(self, batch, draws):
        """Backbones [M, b, D] and distances [M, G] of the M real groups of a batch.

        ``draws`` is the generator of the decoding noise.
        """
        _, distances, q, lens = self.hparams.reward(*batch.sig, draws)
        real = length_mask(lens, distances.shape[1])  # [B, N]
        return q[real][:, : self.backbone_size], distances[real]

    def compute_objectives(self, predictions, batch, stage):
        """Minus Eq. 13, or an objective of Table 9."""
        logits, rewards = predictions["logits"], predictions["rewards"]
        if stage != sb.Stage.TRAIN:
            self.valid.add(logits, rewards)
        loss = self.hparams.objective(
            logits,
            rewards,
            generator=predictions["draws"],
            **self.hparams.objective_options,
        )
        if self.hparams.kl_weight:  # Table 9; the paper has none
            divergence = divergence_from_start(logits)
            loss = loss + self.hparams.kl_weight * divergence
        return loss

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Write the log."""
        if self.nonfinite_in_a_row:
            return
        fresh = outputs["fresh"] or None  # without audio: all are replayed
        self.recent.add(outputs["logits"][:fresh], outputs["rewards"][:fresh])
        if should_step and self.optimizer_step % self.hparams.log_interval == 0:
            found = self.recent.read()
            self.write_rows("train", found)
            self.recent.clear()

    def write_rows(self, stage, found):
        """Rows of the log for the policy, the uniform budget and the oracle."""
        self.write_log(stage, **found["policy"])
        for name in ("uniform", "oracle"):
            self.write_log(f"{stage}, {name}", **found[name])

    # Validation

    def on_stage_start(self, stage, epoch=None):
        """Start the means of a validation."""
        self.valid.clear()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, plot, save a checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        self.valid.gather()
        found = self.valid.read()
        self.write_rows("valid", found)
        stats = {
            f"{name} {figure}": value
            for name, figures in found.items()
            for figure, value in figures.items()
        }
        self.log_validation(epoch, {"loss": self.train_loss}, stats)
        reward = found["policy"]["reward"]
        self.save_validated({"reward": reward}, max_keys=["reward"])
