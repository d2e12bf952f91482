"""Word errors of recognized speech, by several recognizers.

Transcripts are normalized before they are compared.
"""

from speechbrain_gogo.metrics.recognition.hubert import HubertWordErrors
from speechbrain_gogo.metrics.recognition.recognizers import (
    FasterWhisperWordErrors,
    find_recognizer,
)
from speechbrain_gogo.metrics.recognition.whisper_words import WhisperWordErrors
from speechbrain_gogo.metrics.recognition.words import WordErrors

__all__ = [
    "FasterWhisperWordErrors",
    "HubertWordErrors",
    "WhisperWordErrors",
    "WordErrors",
    "find_recognizer",
]
