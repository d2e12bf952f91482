"""Codes of a finite scalar quantizer in a language model.

A code is a point of a grid: its digits have embeddings and predictions of their
own. A small network predicts the codes of a group one by one.
"""
