"""Decoding by flow matching (Section 3.1.2).

The training loss and the sampler, the solvers of its ordinary differential
equation, a student that decodes in few steps with its distillation, regression of the
mel as the simplest decoder, and a flow that starts at such a regression.
"""

from speechbrain_gogo.lobes.gogo.flow.distillation import Distillation
from speechbrain_gogo.lobes.gogo.flow.few_step_flow import FewStepFlow
from speechbrain_gogo.lobes.gogo.flow.matching import (
    ConditionalFlowMatching,
    sway,
)
from speechbrain_gogo.lobes.gogo.flow.mel_regression import MelRegression
from speechbrain_gogo.lobes.gogo.flow.residual_flow import ResidualFlow

__all__ = [
    "ConditionalFlowMatching",
    "Distillation",
    "FewStepFlow",
    "MelRegression",
    "ResidualFlow",
    "sway",
]
