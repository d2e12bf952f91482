"""SoCodecSpeech: text to speech in the voice of a prompt (Section 4).

A multi-stream language model generates the tokens of a SoCodec from text and
from the prompt's embedding; the codec decodes them meanwhile, with the same
embedding.
"""

import torch

from speechbrain_gogo.inference.socodec import SoCodec
from speechbrain_gogo.inference.synthesis.language_model import (
    LanguageModelSpeech,
)
from speechbrain_gogo.inference.synthesis.requests import read_voice
from speechbrain_gogo.inference.synthesis.utterances import make_utterances
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler


class SoCodecSpeech(LanguageModelSpeech):
    """Text to speech in the voice of a prompt, with the tokens of a SoCodec.

    ``modules`` are ``lm``, a
    :class:`~speechbrain_gogo.lobes.socodec.multi_stream_lm.MultiStreamLM`. Only
    the embedding of the prompt is used: ``prompt_text`` is not needed.
    """

    CODEC = SoCodec

    def most_characters(self, prompt_text, prompt):
        """Longest sentence, in characters."""
        settings, longest = self.hparams, self.mods.lm.group_positions
        fitting = int(longest / settings.groups_per_character)
        return min(settings.max_characters, fitting)

    def _utterances(
        self, text, prompt_wav, prompt_text, seed, sample_rate=None
    ):
        voice = read_voice(self.codec, prompt_wav, sample_rate)
        nothing = torch.zeros(0, self.codec.num_codebooks, dtype=torch.long)
        return make_utterances(text, None, nothing, seed, self, voice)

    def _generator(self, voices, text, prompt, seeds, sampling, **limits):
        sampler = Sampler(seeds, **sampling)
        return self.mods.lm.generate(voices, *text, sampler, **limits)
