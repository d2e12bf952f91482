"""Blocks that several concepts share."""
