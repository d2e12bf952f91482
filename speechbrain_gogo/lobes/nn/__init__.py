"""Blocks that several models share.

Attention with rotary positions, LLaMA-style transformers, masks of relative
lengths, log mel spectra, self-supervised features, precision, and hashes of weights.
"""
