"""A Stage I with an explicit alignment of text and speech.

Model, aligner, durations and state of generation are an option for small
corpora, not in the paper.
"""
