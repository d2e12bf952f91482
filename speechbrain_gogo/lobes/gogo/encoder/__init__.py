"""Encoders of mel frames as embeddings of groups (Section 3.1.1).

The paper's transformer with its asymmetric mask, the frame-wise encoder of the
baselines, and a multilayer perceptron for small models. Long audio is encoded in
windows.
"""
