"""The Brain that trains a stage of GogoSpeech (Section 3.2, Appendix D).

The stages are trained separately by next-token prediction on tokenised corpora.
"""

from pathlib import Path

import speechbrain as sb
import torch

from speechbrain_gogo.brains.plots import plot_perplexities
from speechbrain_gogo.brains.token_lm import TokenLMBrain


def check_fits(lm, codec, clips):
    """Raise a ValueError if stage, codec and corpora do not fit, naming both.

    ``clips``, a TokenDataset to train on, may have fewer tokens per group than
    the codec.
    """
    there = clips.num_codebooks
    if lm.codebook_size != codec.vocab_size:
        raise ValueError(
            f"The model has codebook_size {lm.codebook_size}, the codec "
            f"'{codec.name}' {codec.vocab_size} codes: give --model "
            f"'{{codebook_size: {codec.vocab_size}}}'."
        )
    if lm.stage == 1 and lm.backbone_size > there:
        raise ValueError(
            f"The model speaks {lm.backbone_size} tokens of each group, the "
            f"corpora have {there}: tokenise them with all."
        )
    if lm.stage == 2 and lm.num_tokens != there:
        raise ValueError(
            f"The model has num_tokens {lm.num_tokens}, the corpora hold "
            f"{there} tokens of each group: both have to be the codec's, "
            f"{codec.num_codebooks}."
        )


class SpeechLMBrain(TokenLMBrain):
    """Trains a language model of either stage.

    ``modules`` has the model only, as ``lm``: a distributed wrapper calls its
    forward. The recipe's YAML gives ``lm`` itself, ``textless_share`` and what
    :class:`~speechbrain_gogo.brains.token_lm.TokenLMBrain` needs; the recipe
    adds ``draw_samples``, a function of the model and a folder that writes
    samples of speech. Batches have ``tokens`` and, for Stage I, ``text_ids``.
    """

    splits_validation = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if getattr(self.hparams.lm, "learns_in_parts", False):
            # Without it DDP waits for gradients of all weights.
            self.find_unused_parameters = True

    def level_names(self):
        """Names of the levels that the stage predicts."""
        lm = self.hparams.lm
        if lm.stage == 2:
            return [f"{level + 1}" for level in range(lm.num_tokens)]
        names = [f"{level + 1}" for level in range(lm.backbone_size)]
        return [*names, lm.last_level]

    # One update

    def compute_forward(self, batch, stage):
        """Output of the stage: "loss" (Eq. 6 or 7), and "nll" and "level", each [P].

        A batch has ``tokens`` [B, N, K] and, for Stage I, ``text_ids`` [B, L]. Stage
        II is trained on random prefixes of its groups, and validated on all tokens.
        """
        batch = batch.to(self.device, non_blocking=True)
        lm = self.unwrapped(self.modules.lm, stage)
        if self.hparams.lm.stage == 1:
            text, text_lens = batch.text_ids
            if stage == sb.Stage.TRAIN:
                text_lens = text_lens * self.with_text(len(text))
            return lm(text, text_lens, *batch.tokens)
        return lm(*batch.tokens, generator=self.generator())

    def with_text(self, batch):
        """Which utterances of a batch keep their text, bool [B].

        A share of ``textless_share`` is False: a model that is trained with text
        only cannot continue speech without text.
        """
        draw = torch.rand(batch, generator=self.generator())
        return (draw >= self.hparams.textless_share).to(self.device)

    def draw_samples(self, folder):
        """Perplexities of all validations, and samples of speech."""
        image = Path(self.hparams.output_folder) / "perplexities.png"
        plot_perplexities(self.log_path, image)
        with torch.no_grad():
            self.hparams.draw_samples(self.hparams.lm, folder)
