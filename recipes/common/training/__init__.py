"""Training of models with recipes for several corpora."""
