"""What the measurements share: systems, passes, parts of models, reports."""
