"""Blocks that several models share.

Attention with rotary positions, LLaMA-style transformers, masks of relative
lengths, log mel spectra, self-supervised features, precision, and hashes of weights.
"""

from speechbrain_gogo.lobes.nn.attention import (
    attend,
    rotate,
)
from speechbrain_gogo.lobes.nn.fingerprint import (
    hash_weights,
)
from speechbrain_gogo.lobes.nn.lengths import (
    length_mask,
)
from speechbrain_gogo.lobes.nn.precision import (
    full_precision,
)

__all__ = [
    "attend",
    "full_precision",
    "hash_weights",
    "length_mask",
    "rotate",
]
