"""Reading audio: whole files, pieces of long ones, clips of manifests."""

from speechbrain_gogo.dataio.audio.files import (
    decode_audio,
    open_audio,
    read_audio,
)
from speechbrain_gogo.dataio.audio.streaming import stream_audio

__all__ = ["decode_audio", "open_audio", "read_audio", "stream_audio"]
