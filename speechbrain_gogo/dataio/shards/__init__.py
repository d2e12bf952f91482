"""Streams of clips from tar shards, and their batches.

Sources are Emilia's tars, WebDataset shards of other corpora, and manifests split
into shards. A ShardLoader adds epochs, ranks and exact resuming.
"""

from speechbrain_gogo.dataio.shards.batching import (
    batches_by_seconds,
    loader_settings,
)
from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.loader import ShardLoader
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.shards.tars import find_shards, find_splits
from speechbrain_gogo.dataio.shards.webdataset import AudioShards

__all__ = [
    "AudioShards",
    "EmiliaShards",
    "ManifestShards",
    "ShardLoader",
    "batches_by_seconds",
    "find_shards",
    "find_splits",
    "loader_settings",
]
