"""Reading audio, text, manifests and shards."""
