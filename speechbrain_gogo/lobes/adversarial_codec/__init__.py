"""Blocks that SoCodec and CoFi-Codec share, both trained adversarially.

Causal convolutions, the encoder of the global embedding, codebooks updated by
moving averages and the quantizers of ordered streams.
"""

from speechbrain_gogo.lobes.adversarial_codec.causal import (
    CausalDecoder,
    CausalEncoder,
)
from speechbrain_gogo.lobes.adversarial_codec.ema_codebooks import EMACodebooks
from speechbrain_gogo.lobes.adversarial_codec.global_encoder import (
    GlobalEncoder,
)

__all__ = ["CausalDecoder", "CausalEncoder", "EMACodebooks", "GlobalEncoder"]
