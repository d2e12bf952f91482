"""Encoding, decoding and speaking at bounded memory."""
