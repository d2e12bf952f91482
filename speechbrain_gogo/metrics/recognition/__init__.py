"""Word errors of recognized speech, by several recognizers.

Transcripts are normalized before they are compared.
"""
