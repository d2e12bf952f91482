"""Text to speech with one language model.

Base class of SoCodecSpeech and CoFiSpeech: the language model is a file in the
codec's folder, and the codec decodes with the embedding of the prompt.
"""

from pathlib import Path

import torch

from speechbrain_gogo.dataio.text.tokenizers import load_text_tokenizer
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    source_name,
)
from speechbrain_gogo.inference.loading.speech_lm import (
    TEXT_FOLDER,
    load_speech_lm,
)
from speechbrain_gogo.inference.synthesis.generator import (
    Groups,
    outside_autocast,
    pad_utterances,
)
from speechbrain_gogo.inference.synthesis.pretrained import PretrainedSpeech


class LanguageModelSpeech(PretrainedSpeech):
    """Text to speech with one language model, the only module, ``lm``.

    A subclass has ``CODEC``, the class of its codec, and implements
    ``_utterances`` and the methods below. Every group has all tokens,
    regardless of ``allocate``.
    """

    CODEC = None

    @classmethod
    def from_hparams(
        cls,
        source,
        savedir=None,
        run_opts=None,
        overrides=None,
        trust_source=False,
        **hub_options,
    ):
        """Load a codec together with the model that generates its tokens.

        Arguments
        ---------
        source : str | Path
            A folder or a hub id: a codec's, with ``speech.yaml`` in it.
        savedir, run_opts, overrides, trust_source, **hub_options
            As in :meth:`GogoSpeech.from_hparams`.

        Returns
        -------
        LanguageModelSpeech
            Object of the class on which this is called.

        Raises
        ------
        ValueError
            If there is no such model, it is not to be trusted, its weights do
            not match, or codec and model do not belong together.
        """
        folder = find_source(source, savedir, speech=True, **hub_options)
        codec = cls.CODEC.from_hparams(
            folder, run_opts=run_opts, trust_source=trust_source
        )
        codec.name = source_name(source)
        settings = load_speech_lm(folder, codec, overrides, trust_source)
        tokenizer = load_text_tokenizer(Path(folder) / TEXT_FOLDER)
        modules = {"lm": settings.pop("lm")}
        return cls(modules, settings, run_opts, codec, tokenizer)

    # What a subclass implements

    def _generator(self, voices, text, prompt, seeds, sampling, **limits):
        """Iterator of tokens [B, K], active [B] and finished [B].

        ``text`` and ``prompt`` are pairs with relative lengths; ``limits`` are
        ``max_groups`` [B] and ``loop_groups``.
        """
        raise NotImplementedError

    # What all text to speech needs of this one

    def fits(self, num_ids, num_groups):
        """Whether text and speech, the prompt included, fit the model."""
        lm = self.mods.lm
        return num_ids <= lm.text_positions and num_groups <= lm.group_positions

    def _generate(self, utterances, allocate, sampling):
        kind = next(self.mods.lm.parameters()).device.type
        return outside_autocast(self._groups(utterances, sampling), kind)

    def _groups(self, utterances, sampling):
        """Groups of a batch of utterances."""
        device = next(self.mods.lm.parameters()).device
        fitting = self.mods.lm.group_positions
        most = [min(u.max_groups, fitting - len(u.prompt)) for u in utterances]
        padded = pad_utterances(utterances, device)
        generator = self._generator(
            torch.stack([u.embedding for u in utterances]).to(device),
            padded[:2],
            padded[2:],
            [u.seed for u in utterances],
            sampling,
            max_groups=torch.tensor(most, device=device),
            loop_groups=self.hparams.loop_groups,
        )
        for tokens, active, finished in generator:
            tokens = tokens.masked_fill(~active[:, None], self.codec.mask_id)
            budgets = torch.full_like(active, tokens.shape[1], dtype=torch.long)
            yield Groups(tokens, budgets, active, finished)

    def _decoding(self, utterance, seed, settings):
        return {"embedding": utterance.embedding}
