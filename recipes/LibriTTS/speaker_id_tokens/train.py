#!/usr/bin/env python3
"""Identify speakers from Gogo tokens, with an ECAPA-TDNN.

    python train.py hparams/train.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import logging
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import speechbrain as sb
import torch
from speakers import split_clips
from speechbrain.dataio.batch import PaddedBatch
from torch.utils.data import Subset

from recipes.common.token_task import (
    TokenTaskBrain,
    evaluate_best,
    fit_tokens,
    start_tokens,
)
from recipes.common.tokens import groups_in, loader_settings, tokenized_dataset
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.metrics.speech_metric import Figure

logger = logging.getLogger(__name__)

MANY = 5  # guesses of the second figure


class SpeakerBrain(TokenTaskBrain):
    """Tokens to frames, frames to an embedding, an embedding to a speaker."""

    figures = (
        Figure("error (%)", "wrong", scale=100),
        Figure(f"error, best of {MANY} guesses (%)", "far_off", scale=100),
    )

    def compute_forward(self, batch, stage):
        """Cosines with the speakers, [B, 1, S]."""
        tokens, lens = batch.to(self.device).tokens  # [B, N, 10]
        if stage == sb.Stage.TRAIN:
            tokens = self.crop(tokens, lens)
            lens = torch.ones_like(lens)
        frames = self.modules.frames(self.embed(tokens))  # [B, N * r, D]
        voice = self.modules.network(frames, lens)  # [B, 1, D']
        return self.modules.classifier(voice)

    def crop(self, tokens, lens):
        """A random segment of ``crop_seconds`` of each clip.

        Shorter clips are repeated, so there is no padding.
        """
        counts = (lens * tokens.shape[1]).round().long()  # [B]
        codec = self.hparams.tokenizer.codec
        size = groups_in(self.hparams.crop_seconds, codec)
        chance = torch.rand(len(tokens), generator=self.generator())
        last = (counts - size).clamp(min=0)  # where a stretch can start
        start = (chance.to(lens) * (last + 1)).long()
        place = torch.arange(size, device=start.device) + start[:, None]
        clip = torch.arange(len(tokens), device=start.device)[:, None]
        return tokens[clip, place % counts[:, None]]

    def compute_objectives(self, predictions, batch, stage):
        """Additive angular margin; in validation and test, also errors."""
        names = self.hparams.speakers
        target = [names.index(speaker) for speaker in batch.speaker]
        target = torch.tensor(target, device=self.device)[:, None]  # [B, 1]
        if stage != sb.Stage.TRAIN:
            many = min(MANY, len(names))
            guesses = predictions.squeeze(1).topk(many).indices  # [B, many]
            right = (guesses == target).long()
            for key, speaker, guess, hits in zip(
                batch.id, batch.speaker, guesses.tolist(), right.tolist()
            ):
                self.rows.append(
                    {
                        "ID": key,
                        "wrong": 1 - hits[0],
                        "far_off": 1 - sum(hits),
                        "speaker": speaker,
                        "guess": names[guess[0]],
                    }
                )
        return self.hparams.loss(predictions, target)


def dataio_prepare(hparams):
    """Datasets and loader settings by stage, and the speakers' names."""
    dataset = tokenized_dataset(hparams, "train")
    places, names, report = split_clips(
        dataset.speakers(),
        hparams["valid_clips"],
        hparams["test_clips"],
        hparams["max_clips"],
        hparams["seed"],
    )
    logger.info("%d speakers: %s", len(names), report)
    datasets = {stage: Subset(dataset, own) for stage, own in places.items()}
    loaders = {
        stage: loader_settings(dataset.lengths[places[stage]], False, hparams)
        for stage in ("valid", "test")
    }
    loaders["train"] = {  # crops are equally long: any clips form a batch
        "batch_size": hparams["batch_clips"],
        "shuffle": True,
        "drop_last": True,  # no batch of one, which has no batch statistics
        "collate_fn": PaddedBatch,
        "num_workers": hparams["num_workers"],
    }
    return datasets, loaders, names


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start_tokens(__file__, arguments, stages=["train"])
    datasets, loaders, hparams["speakers"] = dataio_prepare(hparams)
    number = len(hparams["speakers"])
    hparams["test_name"] = f"held-out clips of {number} speakers"
    classifier = hparams["classifier"](out_neurons=number)
    hparams["modules"]["classifier"] = classifier
    hparams["checkpointer"].add_recoverable("classifier", classifier)

    brain = fit_tokens(SpeakerBrain, hparams, run_opts, datasets, loaders)
    evaluate_best(brain, datasets["test"], loaders["test"])


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
