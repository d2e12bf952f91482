"""Codes of a finite scalar quantizer in a language model.

A code is a point of a grid, and its digits are embedded and predicted
separately. A small network predicts the codes of a group one by one.
"""
