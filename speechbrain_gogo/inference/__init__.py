"""Pretrained interfaces: what users call."""

from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.speech import GogoSpeech
from speechbrain_gogo.inference.tokenizer import GogoTokenizer

__all__ = ["GogoCodec", "GogoSpeech", "GogoTokenizer"]
