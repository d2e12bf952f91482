"""Encoding and decoding of audio of any length at bounded memory.

Audio is encoded group by group, and decoded in overlapping windows that are
cross-faded. Groups that are generated one by one are decoded as they
arrive.
"""
