"""Tokens of audio files and of whole corpora.

Audio files are encoded to token files and decoded from them in bounded memory,
and corpora are encoded shard by shard. Token files record their codec.
"""
