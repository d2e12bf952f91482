"""Torch modules: no training loop, no files, no YAML."""
