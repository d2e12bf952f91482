"""What the measurements share: systems, meters, parts of models, reports."""
