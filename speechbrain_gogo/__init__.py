"""Gogo: a group-wise granularity-ordered speech codec for SpeechBrain."""

from pathlib import Path

__version__ = "0.1.0"

# Model definitions that a HyperPyYAML file can `!include:`.
HPARAMS = Path(__file__).parent / "hparams"
