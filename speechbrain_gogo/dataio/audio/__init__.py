"""Reading audio files, and encoding audio in memory.

Whole files, windows of long ones, and the clips of a manifest with a cache.
Every function checks the samples and raises an AudioError with a reason that
reports count.
"""

from speechbrain_gogo.dataio.audio.clips import load_clip, read_clip
from speechbrain_gogo.dataio.audio.encoding import encode_pieces, encode_whole
from speechbrain_gogo.dataio.audio.files import (
    decode_audio,
    open_audio,
    read_audio,
    read_audio_bytes,
    stream_audio,
)
from speechbrain_gogo.dataio.audio.waveform import AudioError

__all__ = [
    "AudioError",
    "decode_audio",
    "encode_pieces",
    "encode_whole",
    "load_clip",
    "open_audio",
    "read_audio",
    "read_audio_bytes",
    "read_clip",
    "stream_audio",
]
