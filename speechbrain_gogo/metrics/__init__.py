"""Metrics of the paper's evaluation (Appendix G), one file per metric.

Each follows SpeechBrain's MetricStats (``append``, ``summarize``), measures
utterances for a table of results (``measure``, or many at once,
``measure_batch``) and names its ``judge``. If the paper's judge (the model
behind a metric) needs weights from a hub, there is also an offline judge, whose
columns and figures have different names because the results are not comparable.
``pip install "speechbrain_gogo[metrics]"`` installs the back ends.
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
