"""Language models whose sequence has several tokens at each step.

These are the GPT-2s of SoCodec and CoFi-Speech.
"""
