"""Vocoders and their losses (Section 3.1.2).

Vocos and Griffin-Lim turn mel frames into audio; long audio is vocoded in
windows. Adversarial and spectral losses train them.
"""

from speechbrain_gogo.lobes.vocoder.adversarial_loss import (
    discriminator_loss,
    generator_losses,
)
from speechbrain_gogo.lobes.vocoder.spectral_loss import MultiResolutionSTFTLoss
from speechbrain_gogo.lobes.vocoder.vocoders import (
    GriffinLimVocoder,
    Vocoder,
    VocosVocoder,
)
from speechbrain_gogo.lobes.vocoder.windows import vocode_in_windows

__all__ = [
    "GriffinLimVocoder",
    "MultiResolutionSTFTLoss",
    "Vocoder",
    "VocosVocoder",
    "discriminator_loss",
    "generator_losses",
    "vocode_in_windows",
]
