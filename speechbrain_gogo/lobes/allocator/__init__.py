"""The token allocator (Section 3.3).

A policy chooses the number of tokens of each group. It is trained with GRPO from
the rewards of all choices, or with another objective of Table 9.
"""

from speechbrain_gogo.lobes.allocator.ablations import (
    dpo,
    enumerated_grpo,
    sampled_grpo,
)
from speechbrain_gogo.lobes.allocator.policy import (
    TokenAllocator,
    group_relative_advantage,
    grpo_loss,
)
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward

__all__ = [
    "ReconstructionReward",
    "TokenAllocator",
    "dpo",
    "enumerated_grpo",
    "group_relative_advantage",
    "grpo_loss",
    "sampled_grpo",
]
