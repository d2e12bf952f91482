"""From text and a prompt to groups of tokens.

Text is split into utterances that fit the positions of the language models,
which generate their groups. Sampling settings are checked here.
"""
