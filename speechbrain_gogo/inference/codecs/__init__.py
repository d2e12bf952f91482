"""Base classes of the pretrained codecs.

All codecs load, check and encode alike, read and write files, and may have an
allocator. Codecs with a speaker embedding share how they decode.
"""

from speechbrain_gogo.inference.codecs.allocation import AllocatingCodec
from speechbrain_gogo.inference.codecs.files import FileCodec, encode_recording
from speechbrain_gogo.inference.codecs.pretrained import PretrainedCodec
from speechbrain_gogo.inference.codecs.voiced import VoicedCodec

__all__ = [
    "AllocatingCodec",
    "FileCodec",
    "PretrainedCodec",
    "VoicedCodec",
    "encode_recording",
]
