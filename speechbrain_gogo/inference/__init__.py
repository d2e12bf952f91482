"""Pretrained interfaces for users."""

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.cofi import CoFiCodec
from speechbrain_gogo.inference.cofi_speech import CoFiSpeech
from speechbrain_gogo.inference.open_codec import open_codec
from speechbrain_gogo.inference.open_speech import open_speech
from speechbrain_gogo.inference.socodec import SoCodec
from speechbrain_gogo.inference.socodec_speech import SoCodecSpeech
from speechbrain_gogo.inference.speech import GogoSpeech
from speechbrain_gogo.inference.tokenizer import GogoTokenizer

__all__ = [
    "CoFiCodec",
    "CoFiSpeech",
    "GogoCodec",
    "GogoSpeech",
    "GogoTokenizer",
    "SoCodec",
    "SoCodecSpeech",
    "open_codec",
    "open_speech",
]
