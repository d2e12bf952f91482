"""Code that several recipes share.

How an experiment starts and trains (experiment.py), LibriTTS as manifests
(manifests.py), manifests as tokens (tokens.py), tasks that are learned from
tokens (token_task.py); what trains a model on any corpus is in training/, and
what evaluates one in evaluation/. A script of a recipe appends the repository's root to ``sys.path``
and imports from here.
"""
