"""Base classes of the pretrained codecs.

They load models, check input, encode, read and write files, and use an
allocator. Codecs with a speaker embedding also share the decoding.
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
