"""Tokens of audio files and of whole corpora.

Audio files are encoded to token files and decoded from them in bounded memory,
and corpora are encoded shard by shard. Token files record their codec.
"""

from speechbrain_gogo.inference.files.audio import (
    decode_to_file,
    encode_to_file,
)
from speechbrain_gogo.inference.files.corpora import (
    tokenize_to_folder,
)
from speechbrain_gogo.inference.files.tokenizing import (
    tokenize_corpus,
)
from speechbrain_gogo.inference.files.tokens import (
    TokenFile,
    load_tokens,
    save_tokens,
)

__all__ = [
    "TokenFile",
    "decode_to_file",
    "encode_to_file",
    "load_tokens",
    "save_tokens",
    "tokenize_corpus",
    "tokenize_to_folder",
]
