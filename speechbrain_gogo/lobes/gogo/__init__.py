"""The Gogo codec (Section 3.1).

Mel frames are grouped, encoded and quantized; a diffusion transformer decodes
them by flow matching. The training objective with its auxiliary networks is
also here.
"""

from speechbrain_gogo.lobes.gogo.auxiliary import ARPrior, ASRHead, LossBalancer
from speechbrain_gogo.lobes.gogo.codec import Gogo
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.encoder.group_encoder import (
    GroupEncoder,
    asymmetric_mask,
)
from speechbrain_gogo.lobes.gogo.flow.matching import (
    ConditionalFlowMatching,
    sway,
)
from speechbrain_gogo.lobes.gogo.grouping import MelGroups
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.objective import GogoObjective
from speechbrain_gogo.lobes.gogo.quantizer import FSQ

__all__ = [
    "ARPrior",
    "ASRHead",
    "ConditionalFlowMatching",
    "DiT",
    "FSQ",
    "Gogo",
    "GogoObjective",
    "GroupEncoder",
    "LossBalancer",
    "MelGroups",
    "VocosMel",
    "asymmetric_mask",
    "sway",
]
