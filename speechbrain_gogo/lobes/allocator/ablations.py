"""Objectives of the allocator that Table 9 compares (Appendix K).

Each is a function of the logits and the rewards of all choices, both [M, G] over
the M groups of a batch, and a random generator, and returns a scalar loss. The
objective of the paper is one of them. The KL penalty can be added to any.

Letters: M groups of a batch, G choices.
"""

import math

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.allocator.policy import (
    group_relative_advantage,
    grpo_loss,
)


def enumerated_grpo(logits, rewards, generator=None):
    """GRPO over all choices, the paper's objective (Eq. 12 and 13).

    Nothing is random: the generator is not needed.

    Example
    -------
    >>> abs(float(enumerated_grpo(torch.zeros(2, 8), torch.rand(2, 8)))) < 1e-6
    True
    """
    del generator
    return grpo_loss(logits, group_relative_advantage(rewards))


def sampled_grpo(logits, rewards, generator=None, num_samples=8):
    """GRPO without enumeration: choices are sampled from the policy.

    ``num_samples`` are sampled for each group, by a generator on the CPU.
    Advantages compare the sampled choices with each other; the gradient is that
    of their log-probabilities.

    Example
    -------
    >>> sampled_grpo(torch.zeros(2, 8), torch.rand(2, 8)).shape
    torch.Size([])
    """
    policy = logits.detach().float().softmax(-1).cpu()
    drawn = torch.multinomial(policy, num_samples, True, generator=generator)
    drawn = drawn.to(logits.device)  # [M, S]
    advantages = group_relative_advantage(rewards.gather(1, drawn))
    log_policy = logits.log_softmax(-1).gather(1, drawn)
    # Sampled and trained policy are the same: their ratio is 1, and its gradient
    # is that of the log-probability.
    return -(log_policy * advantages).mean()


def dpo(logits, rewards, generator=None, beta=0.1):
    """Direct preference optimization: the best choice against the worst.

    The reference is the initial policy. It is uniform, so it cancels in the
    difference; ``beta`` is the weight of the divergence from it.

    Example
    -------
    >>> round(float(dpo(torch.zeros(2, 8), torch.rand(2, 8))), 4)
    0.6931
    """
    del generator
    log_policy = logits.log_softmax(-1)
    best = log_policy.gather(1, rewards.argmax(-1, keepdim=True))
    worst = log_policy.gather(1, rewards.argmin(-1, keepdim=True))
    return -F.logsigmoid(beta * (best - worst)).mean()


def divergence_from_start(logits):
    """The KL penalty: divergence from the initial policy, which is uniform.

    Of logits [M, G], in nats, the mean over groups.

    Example
    -------
    >>> round(float(divergence_from_start(torch.tensor([[0.0, 99.0]]))), 4)
    0.6931
    """
    log_policy = logits.log_softmax(-1)
    entropy = -(log_policy.exp() * log_policy).sum(-1)
    return (math.log(logits.shape[-1]) - entropy).mean()
