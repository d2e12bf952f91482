"""Training of the models whose recipes exist for several corpora."""
