#!/usr/bin/env python3
"""Recognise speech in Gogo tokens, with CTC over characters.

    python train.py hparams/train.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import speechbrain as sb
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.nnet.losses import ctc_loss
from speechbrain.utils.edit_distance import wer_details_for_batch

from recipes.common.token_task import (
    TokenTaskBrain,
    evaluate_best,
    fit_tokens,
    start_tokens,
    token_datasets,
)
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.text.normalization import normalize_words
from speechbrain_gogo.metrics.speech_metric import Figure

BLANK = 0


class Characters:
    """Ids of characters, from 1 on: 0 is the blank of CTC."""

    ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"

    def encode(self, text):
        """Text to ids, a list of int; other characters are dropped."""
        known = [c for c in normalize_words(text) if c in self.ALPHABET]
        return [1 + self.ALPHABET.index(c) for c in known]

    def encode_batch(self, texts):
        """A list of texts to a list of lists of ids."""
        return [self.encode(text) for text in texts]

    def decode(self, ids):
        """Ids to text."""
        return "".join(self.ALPHABET[i - 1] for i in ids)


class CTCBrain(TokenTaskBrain):
    """Tokens to frames, frames to characters."""

    figures = (
        Figure("CER (%)", "character_errors", per="characters", scale=100),
        Figure("WER (%)", "word_errors", per="words", scale=100),
    )

    def compute_forward(self, batch, stage):
        """Log-probabilities of characters [B, N * r, 29], their lengths [B]."""
        tokens, lens = batch.to(self.device).tokens  # [B, N, all]
        frames = self.modules.frames(self.embed(tokens))  # [B, N * r, D]
        packed = None
        # Packed, results do not depend on the batch, but take several times as
        # long: in training, a little padding does no harm. SpeechBrain truncates
        # lengths to whole frames, so half a frame more rounds them.
        if stage != sb.Stage.TRAIN:
            packed = lens + 0.5 / frames.shape[1]
        hidden, _ = self.modules.rnn(frames, lengths=packed)
        logits = self.modules.output(hidden)
        return logits.float().log_softmax(-1), lens

    def compute_objectives(self, predictions, batch, stage):
        """CTC; in validation and test, also the errors of every utterance."""
        log_probs, lens = predictions
        text, text_lens = batch.text_ids
        if stage != sb.Stage.TRAIN:
            recognised = ctc_greedy_decode(*predictions, BLANK)
            self.rows += error_rows(batch, recognised)
        return ctc_loss(log_probs, text, lens, text_lens, BLANK)


def error_rows(batch, recognised):
    """A row of results for each utterance; ``recognised`` are lists of ids."""
    text, text_lens = batch.text_ids
    counts = (text_lens * text.shape[1]).round().long().tolist()
    decode = Characters().decode
    said = [decode(ids[:n]) for ids, n in zip(text.tolist(), counts)]
    heard = [decode(ids) for ids in recognised]
    names = batch.id
    characters = wer_details_for_batch(names, said, heard)
    words = wer_details_for_batch(
        names, [s.split() for s in said], [h.split() for h in heard]
    )
    return [
        {
            "ID": name,
            "character_errors": by_character["num_edits"],
            "characters": by_character["num_ref_tokens"],
            "word_errors": by_word["num_edits"],
            "words": by_word["num_ref_tokens"],
            "said": reference,
            "recognised": hypothesis,
        }
        for name, by_character, by_word, reference, hypothesis in zip(
            names, characters, words, said, heard
        )
    ]


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start_tokens(__file__, arguments)
    datasets, loaders = token_datasets(hparams, tokenizer=Characters())
    hparams["test_name"] = Path(hparams["test_csv"]).name

    brain = fit_tokens(CTCBrain, hparams, run_opts, datasets, loaders)
    evaluate_best(brain, datasets["test"], loaders["test"])


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
