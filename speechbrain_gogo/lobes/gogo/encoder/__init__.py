"""Encoders of mel frames as embeddings of groups (Section 3.1.1).

The paper's transformer with its asymmetric mask, the frame-wise encoder of the
baselines, and a multilayer perceptron for small models. Long audio is encoded in
windows.
"""

from speechbrain_gogo.lobes.gogo.encoder.frame_encoder import FrameEncoder
from speechbrain_gogo.lobes.gogo.encoder.group_encoder import (
    GroupEncoder,
    asymmetric_mask,
)
from speechbrain_gogo.lobes.gogo.encoder.group_mlp import GroupMLPEncoder

__all__ = ["FrameEncoder", "GroupEncoder", "GroupMLPEncoder", "asymmetric_mask"]
