"""Torch modules: no training loop, no files, no YAML."""

import speechbrain_gogo.compatibility  # noqa: F401
