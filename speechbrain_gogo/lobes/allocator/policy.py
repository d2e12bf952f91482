"""The token allocator and the objective that trains it (Section 3.3).

The allocator reads the backbone of a group and chooses the number of tokens of the
group. There are few choices, so GRPO evaluates all of them instead of a sample, and
compares each with the others.

Letters: B batch, N groups, b backbone tokens, K tokens per group, D width, G
choices: b, b + 1, ... K tokens.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.llama import Llama


class TokenAllocator(nn.Module):
    """Policy pi over the number of tokens of each group (Eq. 8).

    The budget of a group depends on this group only, so budgets can be chosen
    while speech is being generated.

    Arguments
    ---------
    in_dim : int
        Dimension of the codec's token features.
    backbone_size : int
        Tokens of a group that it reads, b; also the smallest budget.
    num_tokens : int
        Tokens per group, K, the largest budget.
    dim : int
        Hidden dimension.
    num_layers : int
        LLaMA-style layers.
    num_heads : int
        Attention heads.
    ffn_dim : int
        Feed-forward dimension.

    Example
    -------
    >>> allocator = TokenAllocator(16, 3, 10, 32, 2, 2, 64)
    >>> logits = allocator(torch.randn(2, 5, 3, 16))
    >>> logits.shape
    torch.Size([2, 5, 8])
    >>> allocator.choose(logits, minimum=4).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        in_dim=512,
        backbone_size=3,
        num_tokens=10,
        dim=512,
        num_layers=2,
        num_heads=8,
        ffn_dim=1536,
    ):
        super().__init__()
        self.backbone_size = backbone_size
        self.num_tokens = num_tokens
        self.project = nn.Linear(in_dim, dim)
        self.transformer = Llama(dim, num_layers, num_heads, ffn_dim)
        num_choices = num_tokens - backbone_size + 1
        self.classifier = nn.Linear(dim, num_choices)
        # Uniform at the start.
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, features):
        """Logits [B, N, G] of the choices, from features of backbones [B, N, b, D]."""
        x = self.project(features).flatten(0, 1)  # [B * N, b, D]
        x = self.transformer(x)
        return self.classifier(x[:, -1]).unflatten(0, features.shape[:2])

    @property
    def sizes(self):
        """Its arguments that depend on the codec: dict of int."""
        return {
            "in_dim": self.project.in_features,
            "backbone_size": self.backbone_size,
            "num_tokens": self.num_tokens,
        }

    def check_fits(self, codec):
        """Raise a ValueError if the allocator was made for groups of another codec.

        The error has the numbers of both. ``codec`` is a Gogo network.
        """
        wanted = {
            "in_dim": len(codec.mask),
            "backbone_size": codec.backbone_size,
            "num_tokens": codec.num_codebooks,
        }
        if self.sizes != wanted:
            raise ValueError(
                f"The allocator has {self.sizes}, but this codec needs {wanted}."
            )

    def choose(self, logits, bias=0.0, minimum=None):
        """The most probable budget of each group.

        Arguments
        ---------
        logits : torch.Tensor
            [B, N, G].
        bias : float | torch.Tensor
            Added to the logits for each token of a choice, see
            :meth:`solve_bias`. A tensor is [B].
        minimum : int
            Smallest budget, at least b.

        Returns
        -------
        torch.Tensor
            int64 [B, N], b..K.

        Raises
        ------
        ValueError
            If the minimum is outside b..K.
        """
        first = self.backbone_size if minimum is None else minimum
        if not self.backbone_size <= first <= self.num_tokens:
            raise ValueError(
                f"A budget of at least {first} tokens is outside "
                f"{self.backbone_size}..{self.num_tokens}."
            )
        bias = torch.as_tensor(bias, device=logits.device).reshape(-1, 1, 1)
        steps = torch.arange(logits.shape[-1], device=logits.device)
        allowed = (logits + bias * steps)[..., first - self.backbone_size :]
        return first + allowed.argmax(-1)

    def solve_bias(self, logits, real, target, minimum=None):
        """The bias that gives utterances a target average of tokens.

        The number of tokens does not decrease with the bias, so bisection finds
        it.

        Arguments
        ---------
        logits : torch.Tensor
            [B, N, G].
        real : torch.Tensor
            bool [B, N], False for padding.
        target : float
            Average tokens per group, an upper bound unless ``minimum`` is
            larger.
        minimum : int
            Smallest budget, as in :meth:`choose`.

        Returns
        -------
        torch.Tensor
            [B].
        """
        reach = 2 * logits.abs().amax((1, 2)) + 1  # outweighs all logits
        low, high = -reach, reach
        for _ in range(30):
            bias = (low + high) / 2
            budgets = self.choose(logits, bias, minimum)
            mean = (budgets * real).sum(1) / real.sum(1).clamp(min=1)
            fits = mean <= target
            low = torch.where(fits, bias, low)
            high = torch.where(fits, high, bias)
        return low


def group_relative_advantage(rewards):
    """Rewards relative to the other choices of the group (Eq. 12).

    Arguments
    ---------
    rewards : torch.Tensor
        [..., G].

    Returns
    -------
    torch.Tensor
        [..., G], mean 0 and standard deviation 1 over the choices; 0 if all
        rewards are equal.

    Example
    -------
    >>> group_relative_advantage(torch.tensor([1.0, 2.0, 3.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    centred = rewards - rewards.mean(-1, keepdim=True)
    deviation = rewards.std(-1, keepdim=True)
    # The deviation of equal rewards may differ from 0 by rounding.
    differ = rewards.amax(-1, keepdim=True) > rewards.amin(-1, keepdim=True)
    return torch.where(differ, centred / deviation, 0.0)


def grpo_loss(logits, advantages):
    """Minus the objective of Eq. 13, over all G choices, without KL penalty.

    Arguments
    ---------
    logits : torch.Tensor
        Logits of the policy, [..., G].
    advantages : torch.Tensor
        [..., G].

    Returns
    -------
    torch.Tensor
        Scalar, the mean over all groups.

    Example
    -------
    >>> grpo_loss(torch.tensor([0.0, 0.0]), torch.tensor([3.0, -1.0])).item()
    -0.5
    """
    policy = logits.softmax(-1)
    return -(policy * advantages).mean(-1).mean()
