"""Decoding steps of language models.

The blocks of Llama and GPT-2 compute new positions with a key-value cache, and
weights are fused or stored in 8 bits. The state of a sequence and the detection
of repetitions are also here.
"""
