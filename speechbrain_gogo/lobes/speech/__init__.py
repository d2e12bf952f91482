"""The language models of GogoSpeech (Section 3.2).

Both stages are Llamas: Stage I predicts the backbone of each group from text,
Stage II the other tokens. Group...LM are small stages with one large pass per
group. Generation uses a key-value cache and is the same for all.
"""

from speechbrain_gogo.lobes.speech.cached_decoding import (
    CachedDecoder,
    Sampler,
)
from speechbrain_gogo.lobes.speech.generation import (
    DetailGenerator,
    generate_backbone,
)
from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM
from speechbrain_gogo.lobes.speech.llama import (
    extended_llama,
    speech_llama,
)
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

__all__ = [
    "BackboneLM",
    "CachedDecoder",
    "DetailGenerator",
    "DetailLM",
    "GroupBackboneLM",
    "GroupDetailLM",
    "Sampler",
    "extended_llama",
    "generate_backbone",
    "speech_llama",
]
