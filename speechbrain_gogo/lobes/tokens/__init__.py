"""The granular token matrix [B, N, K].

The contract of codecs that produce it, prefixes of its groups and nested
dropout (Section 3.1.3, Appendix A). patterns.py has the orders in which
language models read it.
"""

from speechbrain_gogo.lobes.tokens.granular import (
    GranularCodec,
    NestedDropout,
    keep_prefix,
    prefix_mask,
    retention_probability,
    scale_gradient,
)
from speechbrain_gogo.lobes.tokens.group_frames import (
    GroupFrames,
)

__all__ = [
    "GranularCodec",
    "GroupFrames",
    "NestedDropout",
    "keep_prefix",
    "prefix_mask",
    "retention_probability",
    "scale_gradient",
]
