"""Gogo: a group-wise granularity-ordered speech codec for SpeechBrain."""

__version__ = "0.1.0"
