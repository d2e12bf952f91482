"""Training of small codecs, which the paper does not describe.

A codec starts from principal components, learns by regression at first or
throughout, and is compared by what a recognizer computes from its audio.
"""
