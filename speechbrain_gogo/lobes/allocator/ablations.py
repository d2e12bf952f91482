"""What Table 9 puts in the place of the allocator's objective (Appendix K).

The objectives have the same form: logits and rewards of the enumerated choices,
both [M, G] over the M groups of a batch, and a generator for what is random, to
a scalar loss. The one of the paper is among them. The KL penalty may be added to
any of them.

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

    Arguments
    ---------
    logits : torch.Tensor
        Of the policy, [M, G].
    rewards : torch.Tensor
        Of the choices, [M, G].
    generator : torch.Generator
        Not needed: nothing is random.

    Returns
    -------
    torch.Tensor
        Scalar.

    Example
    -------
    >>> abs(float(enumerated_grpo(torch.zeros(2, 8), torch.rand(2, 8)))) < 1e-6
    True
    """
    del generator
    return grpo_loss(logits, group_relative_advantage(rewards))


def sampled_grpo(logits, rewards, generator=None, num_samples=8):
    """GRPO as it is without enumeration: choices are drawn from the policy.

    Advantages compare the drawn choices with each other, and the gradient is
    that of the drawn choices' log-probabilities.

    Arguments
    ---------
    logits : torch.Tensor
        Of the policy, [M, G].
    rewards : torch.Tensor
        Of the choices, [M, G].
    generator : torch.Generator
        Draws the choices (a CPU one).
    num_samples : int
        Choices drawn for each group.

    Returns
    -------
    torch.Tensor
        Scalar.

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
    # The policy that drew is the one that learns: its ratio to itself is 1,
    # and the ratio's gradient is that of the log-probability.
    return -(log_policy * advantages).mean()


def dpo(logits, rewards, generator=None, beta=0.1):
    """Direct preference optimization: the best choice against the worst.

    The reference is where the policy started, which is uniform, and so
    drops out of the difference.

    Arguments
    ---------
    logits : torch.Tensor
        Of the policy, [M, G].
    rewards : torch.Tensor
        Of the choices, [M, G].
    generator : torch.Generator
        Not needed: nothing is random.
    beta : float
        Strength of the tie to the reference.

    Returns
    -------
    torch.Tensor
        Scalar.

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
    """The KL penalty: divergence from where the policy started.

    It started without a preference, uniform over the choices.

    Arguments
    ---------
    logits : torch.Tensor
        Of the policy, [M, G].

    Returns
    -------
    torch.Tensor
        Scalar in nats, the mean over groups.

    Example
    -------
    >>> round(float(divergence_from_start(torch.tensor([[0.0, 99.0]]))), 4)
    0.6931
    """
    log_policy = logits.log_softmax(-1)
    entropy = -(log_policy.exp() * log_policy).sum(-1)
    return (math.log(logits.shape[-1]) - entropy).mean()
