"""Code that several recipes share.

Start and training of an experiment (experiment.py), LibriTTS as manifests
(manifests.py), manifests as tokens (tokens.py), tasks on tokens (token_task.py),
the training of models with recipes for several corpora (training/), and results,
tables and plots of evaluations (evaluation/). A script of a recipe appends the
repository's root to ``sys.path`` and imports from here.
"""
