"""CoFi-Speech: a codec with several scales, generated from coarse to fine.

The multi-scale codec, its blocks, quantizers and objective; its language models,
a chain and a stack of scales, and their generation.
"""

from speechbrain_gogo.lobes.cofi.chain_of_scales import ChainOfScales
from speechbrain_gogo.lobes.cofi.codec import CoFiCodecNetwork
from speechbrain_gogo.lobes.cofi.generation import ScaleGenerator
from speechbrain_gogo.lobes.cofi.objective import CoFiObjective
from speechbrain_gogo.lobes.cofi.scale_dropout import ScaleDropout
from speechbrain_gogo.lobes.cofi.stack_of_scales import StackOfScales

__all__ = [
    "ChainOfScales",
    "CoFiCodecNetwork",
    "CoFiObjective",
    "ScaleDropout",
    "ScaleGenerator",
    "StackOfScales",
]
