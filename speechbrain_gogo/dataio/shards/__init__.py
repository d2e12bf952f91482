"""Tar shards and manifests as streams of clips, and their batches."""
