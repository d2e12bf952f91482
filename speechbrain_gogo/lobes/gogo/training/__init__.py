"""Training of small codecs, which the paper does not describe.

A codec is initialized with principal components, learns by regression at first
or throughout, and has an additional loss in the features of a recogniser.
"""
