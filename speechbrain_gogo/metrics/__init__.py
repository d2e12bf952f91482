"""Metrics of the paper's evaluation (Appendix G), one file per metric.

Each follows SpeechBrain's MetricStats (``append``, ``summarize``), measures
utterances for a table of results (``measure``, or many at once,
``measure_batch``) and names its ``judge``. Where the paper's judge needs
weights from a hub, there is an offline judge of the same quantity, with
columns and figures of other names, since results of both must not be mixed. Back ends come
with ``pip install "speechbrain_gogo[metrics]"``.
"""

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain_gogo.metrics.dnsmos import DNSMOS
from speechbrain_gogo.metrics.intelligibility import STOI
from speechbrain_gogo.metrics.mel_cepstral import MelCepstralDistortion
from speechbrain_gogo.metrics.quality import PESQ
from speechbrain_gogo.metrics.recognition import (
    FasterWhisperWordErrors,
    HubertWordErrors,
    WordErrors,
    find_recognizer,
)
from speechbrain_gogo.metrics.speakers import SpeakerSimilarity, WavLMSimilarity
from speechbrain_gogo.metrics.utmos import UTMOS

__all__ = [
    "DNSMOS",
    "PESQ",
    "STOI",
    "UTMOS",
    "FasterWhisperWordErrors",
    "HubertWordErrors",
    "MelCepstralDistortion",
    "SpeakerSimilarity",
    "WavLMSimilarity",
    "WordErrors",
    "find_recognizer",
]
