"""Language models whose sequence has several tokens at each step.

They are GPT-2s, and are those of SoCodec and CoFi-Speech.
"""
