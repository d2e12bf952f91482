"""A Stage I with an explicit alignment of text and speech.

Model, aligner, durations and state of generation are an option for small
corpora, not in the paper.
"""

from speechbrain_gogo.lobes.speech.aligned.aligner import Aligner
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM

__all__ = ["Aligner", "AlignedBackboneLM"]
