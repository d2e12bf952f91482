"""Encoding and decoding of audio of any length at bounded memory.

Audio is encoded group by group, and decoded in overlapping windows that are
cross-faded. Groups that are generated one by one are decoded as they
arrive.
"""

from speechbrain_gogo.inference.streaming.codec import StreamingCodec
from speechbrain_gogo.inference.streaming.speech import (
    Speech,
    SpeechCancelledError,
    SpeechStream,
)

__all__ = [
    "Speech",
    "SpeechCancelledError",
    "SpeechStream",
    "StreamingCodec",
]
