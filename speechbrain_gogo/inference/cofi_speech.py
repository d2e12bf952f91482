"""CoFiSpeech: text to speech in the voice of a prompt, coarse scales first.

A chain or a stack of scales generates the tokens of a CoFi-Codec from text, the
prompt's tokens, its transcript and its embedding (Section II-B); the codec decodes
them meanwhile, with the same embedding.
"""

import torch

from speechbrain_gogo.inference.cofi import CoFiCodec
from speechbrain_gogo.inference.synthesis.generator import pad_utterances
from speechbrain_gogo.inference.synthesis.language_model import (
    LanguageModelSpeech,
)
from speechbrain_gogo.inference.synthesis.requests import (
    read_prompt,
    read_voice,
)
from speechbrain_gogo.inference.synthesis.utterances import (
    check_room,
    make_utterances,
    read_text,
)
from speechbrain_gogo.lobes.cofi.generation import ScaleGenerator
from speechbrain_gogo.lobes.speech.analysis.attention_maps import attention_maps


class CoFiSpeech(LanguageModelSpeech):
    """Text to speech in the voice of a prompt, with the tokens of a CoFi-Codec.

    ``modules`` are ``lm``, a
    :class:`~speechbrain_gogo.lobes.cofi.chain_of_scales.ChainOfScales` or a
    :class:`~speechbrain_gogo.lobes.cofi.stack_of_scales.StackOfScales`. It
    continues the prompt: ``prompt_text`` has to be its transcript. The audio of
    a sentence starts when its finest scale is generated.
    """

    CODEC = CoFiCodec

    def most_characters(self, prompt_text, prompt):
        """Longest sentence that fits after a prompt, in characters."""
        usual, lm = self.hparams.groups_per_character, self.mods.lm
        fitting = (lm.group_positions - len(prompt)) / usual
        ids = len(self.tokenizer.encode(prompt_text))
        left = lm.text_positions - ids
        fitting = min(fitting, left * len(prompt_text) / ids)
        return check_room(fitting, prompt_text, prompt, self)

    @torch.no_grad()
    def attention_maps(
        self,
        text,
        prompt_wav,
        prompt_text=None,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Attention of the language models during synthesis.

        Arguments
        ---------
        text, prompt_wav, prompt_text, seed, sample_rate, sampling
            As in :meth:`clone_voice`; only the first sentence of the text is
            used.

        Returns
        -------
        list of tuple
            For each language model, from the coarsest scale on: attention
            summed over layers and heads, [S, S], whose rows attend; and names
            and sizes of the parts of the sequence.

        Raises
        ------
        ValueError
            As :meth:`clone_voice` does.
        """
        settings, _ = self._read_sampling(sampling)
        [utterance, *_] = self._utterances(
            text, prompt_wav, prompt_text, seed, sample_rate
        )
        said = list(self._generate([utterance], False, settings))
        said = [groups.tokens[0] for groups in said if groups.active[0]]
        lm = self.mods.lm
        device = next(lm.parameters()).device
        tokens = torch.stack([*utterance.prompt.to(device), *said])[None]
        text, text_lens, _, _ = pad_utterances([utterance], device)
        voice, one = utterance.embedding.to(device)[None], torch.ones(1)
        kind = torch.autocast(device.type, enabled=False)
        with kind, attention_maps(lm.gpts) as maps:
            lm(voice, text, text_lens, tokens, one.to(device))
        return list(zip(maps, lm.parts(text.shape[1], tokens.shape[1])))

    def _utterances(
        self, text, prompt_wav, prompt_text, seed, sample_rate=None
    ):
        prompt = read_prompt(self.codec, prompt_wav, sample_rate)
        voice = read_voice(self.codec, prompt_wav, sample_rate)
        if prompt_text is None:
            read_text(text, "text", self.front_end)  # before the long work
            prompt_text = self.transcribe(prompt_wav, sample_rate)
        return make_utterances(text, prompt_text, prompt, seed, self, voice)

    def _generator(self, voices, text, prompt, seeds, sampling, **limits):
        return iter(
            ScaleGenerator(
                self.mods.lm, voices, text, prompt, seeds, **limits, **sampling
            )
        )
