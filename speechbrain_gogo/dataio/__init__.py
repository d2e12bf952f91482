"""Reading audio, text, manifests and shards."""

import speechbrain_gogo.compatibility  # noqa: F401
