"""Torch modules, one folder for each concept.

They contain no training loop, no Brain and no YAML. The functions and classes
that implement the equations of the paper are exported here.
"""

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain_gogo.lobes.allocator import group_relative_advantage, grpo_loss
from speechbrain_gogo.lobes.gogo import (
    ConditionalFlowMatching,
    LossBalancer,
    asymmetric_mask,
    sway,
)
from speechbrain_gogo.lobes.tokens import (
    NestedDropout,
    keep_prefix,
    patterns,
    retention_probability,
    scale_gradient,
)

__all__ = [
    "ConditionalFlowMatching",
    "LossBalancer",
    "NestedDropout",
    "asymmetric_mask",
    "group_relative_advantage",
    "grpo_loss",
    "keep_prefix",
    "patterns",
    "retention_probability",
    "scale_gradient",
    "sway",
]
