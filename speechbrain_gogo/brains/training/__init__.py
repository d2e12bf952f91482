"""Updates of the weights: optimizers, learning rates, duration of a training.

The code here does not depend on the network.
"""

from speechbrain_gogo.brains.training.budget import TrainingBudget
from speechbrain_gogo.brains.training.optimizers import make_optimizer
from speechbrain_gogo.brains.training.replay_buffer import ReplayBuffer
from speechbrain_gogo.brains.training.updates import (
    UpdatingBrain,
    parameter_groups,
)

__all__ = [
    "ReplayBuffer",
    "TrainingBudget",
    "UpdatingBrain",
    "make_optimizer",
    "parameter_groups",
]
