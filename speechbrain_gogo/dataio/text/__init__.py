"""Text for the models: front ends by language, and token ids."""

from speechbrain_gogo.dataio.text.tokenizers import (
    HubTokenizer,
    WordPieces,
    encode_text,
    load_text_tokenizer,
    normalize_speech,
    normalize_words,
    train_tokenizer,
)

__all__ = [
    "HubTokenizer",
    "WordPieces",
    "encode_text",
    "load_text_tokenizer",
    "normalize_speech",
    "normalize_words",
    "train_tokenizer",
]
