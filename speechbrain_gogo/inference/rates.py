"""What tokens cost: tokens and bits per second of a granular codec.

A token of a codebook with C entries carries log2(C) bits (13.6 for the 12,800
codes of the paper), and every group spends as many tokens as are kept.
"""

import math


def token_and_bit_rate(codec, keep):
    """Tokens and bits per second, when a prefix of every group is kept.

    Arguments
    ---------
    codec : GranularCodec
        Anything with ``group_rate`` and ``vocab_size``.
    keep : int
        Tokens of each group.

    Returns
    -------
    tuple of float
        Tokens per second and bits per second.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> codec = SimpleNamespace(group_rate=4.6875, vocab_size=12800)
    >>> tokens, bits = token_and_bit_rate(codec, keep=10)
    >>> tokens, round(bits, 1)
    (46.875, 639.6)
    """
    tokens = keep * codec.group_rate
    return tokens, tokens * math.log2(codec.vocab_size)
