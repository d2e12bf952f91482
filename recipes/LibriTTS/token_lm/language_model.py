"""The language model of this recipe, for the tokens of any codec."""

import math

from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM


def token_lm(tokenizer, clip_seconds, **llama):
    """Stage I of GogoSpeech without text, for tokens of a grouped tokenizer.

    All levels share the ids and the rows of codes; the level follows from the
    position. ``llama`` are arguments of
    :func:`~speechbrain_gogo.lobes.speech.llama.speech_llama`.
    """
    codes, levels = tokenizer.vocab_size, tokenizer.num_codebooks
    groups = math.ceil(clip_seconds * tokenizer.codec.group_rate)
    positions = groups * levels + 2  # start and end
    return BackboneLM(
        speech_llama(codes + 2, max_positions=positions, **llama),
        text_size=0,
        codebook_size=codes,
        backbone_size=levels,
        max_positions=positions,
    )
