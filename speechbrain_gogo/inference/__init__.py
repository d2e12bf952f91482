"""Pretrained interfaces: what users call."""

from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.speech import GogoSpeech

__all__ = ["GogoCodec", "GogoSpeech"]
