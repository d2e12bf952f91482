"""Sizes, the text of a prompt, and files of audio."""

import soundfile

CODES, GROUP = 12800, 5120
PROMPT_TEXT = "the quick brown fox"


def written(path, wav, rate):
    soundfile.write(str(path), wav.numpy(), rate, subtype="FLOAT")
    return path
