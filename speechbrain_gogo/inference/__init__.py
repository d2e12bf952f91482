"""Pretrained interfaces: what users call."""

from speechbrain_gogo.inference.codec import GogoCodec

__all__ = ["GogoCodec"]
