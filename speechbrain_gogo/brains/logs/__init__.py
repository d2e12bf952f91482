"""Records of a training: used and skipped clips, code usage, loggers."""
