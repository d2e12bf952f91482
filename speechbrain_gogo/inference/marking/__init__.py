"""Marks of synthetic audio: an inaudible watermark, and metadata of files.

All synthesised audio passes through ``mark_stream``, and files have the comment
``SYNTHETIC``; ``detect_file`` looks for both.
"""

from speechbrain_gogo.inference.marking.detection import Detection, detect_file
from speechbrain_gogo.inference.marking.metadata import (
    SYNTHETIC,
    says_synthetic,
)
from speechbrain_gogo.inference.marking.watermarks import (
    find_watermark,
    mark_stream,
)

__all__ = [
    "SYNTHETIC",
    "Detection",
    "detect_file",
    "find_watermark",
    "mark_stream",
    "says_synthetic",
]
