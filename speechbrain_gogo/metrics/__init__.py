"""Metrics of the paper's evaluation (Appendix E), one file per metric.

Each follows SpeechBrain's MetricStats (``append``, ``summarize``) and can
measure one utterance for a table of results (``measure``). Back ends come with
``pip install "speechbrain_gogo[metrics]"``.
"""

from speechbrain_gogo.metrics.dnsmos import DNSMOS
from speechbrain_gogo.metrics.intelligibility import STOI
from speechbrain_gogo.metrics.quality import PESQ
from speechbrain_gogo.metrics.similarity import SpeakerSimilarity
from speechbrain_gogo.metrics.words import WordErrors

__all__ = ["DNSMOS", "PESQ", "STOI", "SpeakerSimilarity", "WordErrors"]
