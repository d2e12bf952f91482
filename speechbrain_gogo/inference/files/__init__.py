"""From audio files to token files and back, and whole corpora."""
