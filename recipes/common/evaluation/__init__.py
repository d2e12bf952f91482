"""Evaluations: results on disk, their tables and plots, and zero-shot speech."""
