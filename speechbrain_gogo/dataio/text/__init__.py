"""Text for the models: front ends by language, and token ids."""

from speechbrain_gogo.dataio.text.english import English
from speechbrain_gogo.dataio.text.front_ends import AsWritten, front_end
from speechbrain_gogo.dataio.text.phones import Phones
from speechbrain_gogo.dataio.text.sentences import split_sentences
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
    "AsWritten",
    "English",
    "HubTokenizer",
    "Phones",
    "WordPieces",
    "encode_text",
    "front_end",
    "load_text_tokenizer",
    "normalize_speech",
    "normalize_words",
    "split_sentences",
    "train_tokenizer",
]
