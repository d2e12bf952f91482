"""Pretrained interfaces: what users call."""

import speechbrain_gogo.compatibility  # noqa: F401
from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.speech import GogoSpeech
from speechbrain_gogo.inference.tokenizer import GogoTokenizer

__all__ = ["GogoCodec", "GogoSpeech", "GogoTokenizer"]
