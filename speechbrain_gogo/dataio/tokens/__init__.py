"""Tokenised corpora: writing, reading, and the forms others read."""
