"""Similarity of two recordings' speakers, by Resemblyzer or by WavLM."""

from speechbrain_gogo.metrics.speakers.similarity import SpeakerSimilarity
from speechbrain_gogo.metrics.speakers.wavlm_similarity import WavLMSimilarity

__all__ = ["SpeakerSimilarity", "WavLMSimilarity"]
