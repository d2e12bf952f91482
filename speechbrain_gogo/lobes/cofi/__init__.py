"""CoFi-Speech: coarse scales first (papers/cofi-speech).

The multi-scale codec, its blocks, quantizers and objective.
"""

from speechbrain_gogo.lobes.cofi.codec import CoFiCodecNetwork
from speechbrain_gogo.lobes.cofi.objective import CoFiObjective
from speechbrain_gogo.lobes.cofi.scale_dropout import ScaleDropout

__all__ = ["CoFiCodecNetwork", "CoFiObjective", "ScaleDropout"]
