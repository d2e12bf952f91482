"""Similarity of two recordings' speakers, by Resemblyzer or by WavLM."""
