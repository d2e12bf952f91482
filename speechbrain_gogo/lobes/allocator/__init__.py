"""The token allocator (Section 3.3).

A policy chooses how many tokens each group gets. It is trained by the reward of
all its choices with GRPO, or with the objectives of Table 9 in its place.
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
from speechbrain_gogo.lobes.allocator.reward import (
    ReconstructionReward,
)

__all__ = [
    "ReconstructionReward",
    "TokenAllocator",
    "dpo",
    "enumerated_grpo",
    "group_relative_advantage",
    "grpo_loss",
    "sampled_grpo",
]
