"""Decoding by flow matching (Section 3.1.2).

The training loss and the sampler, the solvers of its ordinary differential
equation, a student that decodes in few steps with its distillation, and
regression of the mel as the simplest decoder.
"""

from speechbrain_gogo.lobes.gogo.flow.distillation import Distillation
from speechbrain_gogo.lobes.gogo.flow.few_step_flow import FewStepFlow
from speechbrain_gogo.lobes.gogo.flow.matching import (
    ConditionalFlowMatching,
    sway,
)
from speechbrain_gogo.lobes.gogo.flow.mel_regression import MelRegression

__all__ = [
    "ConditionalFlowMatching",
    "Distillation",
    "FewStepFlow",
    "MelRegression",
    "sway",
]
