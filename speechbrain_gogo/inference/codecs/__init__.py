"""Base classes of the pretrained codecs.

They load models, check input, encode, read and write files, and use an
allocator. Codecs with a speaker embedding also share the decoding.
"""
