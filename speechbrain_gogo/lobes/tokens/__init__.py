"""The granular token matrix [B, N, K].

The contract of codecs that produce it, its levels and their rates, prefixes
of its groups and nested dropout (Section 3.1.3, Appendix A). patterns.py has
the orders in which language models read it.
"""

from speechbrain_gogo.lobes.tokens.granular import (
    GranularCodec,
    NestedDropout,
    keep_prefix,
    prefix_mask,
    retention_probability,
    scale_gradient,
)
from speechbrain_gogo.lobes.tokens.group_frames import GroupFrames
from speechbrain_gogo.lobes.tokens.levels import Level, Levels

__all__ = [
    "GranularCodec",
    "GroupFrames",
    "Level",
    "Levels",
    "NestedDropout",
    "keep_prefix",
    "prefix_mask",
    "retention_probability",
    "scale_gradient",
]
