"""Tokenised corpora on disk.

A corpus is a folder of safetensors shards with the tokens, texts and speakers of
its clips. It is a dataset for language models here, and is exported to the
layouts and formats that other recipes read.
"""

from speechbrain_gogo.dataio.tokens.batches import token_loader_settings
from speechbrain_gogo.dataio.tokens.corpus import open_corpus
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.dataio.tokens.forms import TokenForms
from speechbrain_gogo.dataio.tokens.layouts import lay_out
from speechbrain_gogo.dataio.tokens.shards import TokenShard

__all__ = [
    "TokenDataset",
    "TokenForms",
    "TokenShard",
    "lay_out",
    "open_corpus",
    "token_loader_settings",
]
