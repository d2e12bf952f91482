"""A stage that knows its place in the text: model, aligner, durations and state.

It is an option for models that learn from hours of speech, not the paper's.
"""

from speechbrain_gogo.lobes.speech.aligned.aligner import Aligner
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM

__all__ = ["Aligner", "AlignedBackboneLM"]
