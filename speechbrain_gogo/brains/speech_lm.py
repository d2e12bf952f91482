"""The Brain that trains a stage of GogoSpeech (Section 3.2, Appendix D).

Both stages are trained separately by next-token prediction on tokenised
corpora. This file computes and logs the loss, the perplexity of every position in
a group, and samples of speech.
"""

import math
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.plots import plot_curves, plot_perplexities
from speechbrain_gogo.dataio.ranks import sum_over_ranks


def check_fits(lm, codec, clips):
    """Raise an error if stage, codec and corpora do not fit together.

    Arguments
    ---------
    lm : BackboneLM | DetailLM | GroupBackboneLM | GroupDetailLM
        The stage.
    codec : GogoCodec
        Whose tokens they are.
    clips : TokenDataset
        The corpora, which may hold fewer tokens of each group.

    Raises
    ------
    ValueError
        If they do not; the message names both sides.
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


class LevelMeans:
    """Losses of predicted tokens by their position in the group.

    Arguments
    ---------
    names : list of str
        Of the positions, which are numbered from 0.

    Example
    -------
    >>> means = LevelMeans(["1", "2", "end"])
    >>> means.add(torch.tensor([0.0, 2.0, 1.0]), torch.tensor([0, 0, 1]))
    >>> {name: round(value, 3) for name, value in means.read().items()}
    {'loss': 1.0, 'perplexity 1': 2.718, 'perplexity 2': 2.718}
    """

    def __init__(self, names):
        self.names = names
        self.clear()

    def clear(self):
        """Reset all sums."""
        self.sums = torch.zeros(2, len(self.names), dtype=torch.float64)

    def add(self, nll, level):
        """Count tokens: their losses [P] in nats, their positions [P]."""
        nll = nll.detach().double()
        counted = torch.stack([nll, torch.ones_like(nll)])
        self.sums = self.sums.to(nll.device)  # stays there until it is read
        self.sums.index_add_(1, level, counted)

    def gather(self):
        """Add up the tokens of all ranks; every rank has to call it."""
        self.sums = sum_over_ranks({"sums": self.sums})["sums"]

    def read(self):
        """Mean loss of all tokens, and the perplexity at each position.

        Positions without tokens are left out.
        """
        nll, count = self.sums.sum(1).tolist()
        found = {"loss": nll / count}
        for name, nll, count in zip(self.names, *self.sums.tolist()):
            if count:
                found[f"perplexity {name}"] = math.exp(nll / count)
        return found


class SpeechLMBrain(TrainingBrain):
    """Trains a language model of either stage.

    ``modules`` has the model only, as ``lm``: a distributed wrapper calls its
    forward. The recipe's YAML gives ``lm`` itself,
    ``textless_share``, ``log_interval`` and what
    :class:`~speechbrain_gogo.brains.base.TrainingBrain` needs; the recipe
    adds ``draw_samples``, a function of the model and a folder that writes
    samples of speech. Batches have ``tokens`` and, for Stage I, ``text_ids``.
    """

    splits_validation = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        lm = self.hparams.lm
        self.speaks_backbone = lm.stage == 1
        levels = lm.backbone_size if self.speaks_backbone else lm.num_tokens
        names = [f"{level + 1}" for level in range(levels)]
        names += ["end"] * self.speaks_backbone
        self.recent, self.valid = LevelMeans(names), LevelMeans(names)

    # One update

    def compute_forward(self, batch, stage):
        """Losses of a batch: Eq. 6 or Eq. 7.

        Stage II is trained on prefixes of its groups, and validated on all
        tokens.
        """
        batch = batch.to(self.device, non_blocking=True)
        lm = self.unwrapped(self.modules.lm, stage)
        if self.speaks_backbone:
            text, text_lens = batch.text_ids
            if stage == sb.Stage.TRAIN:
                text_lens = text_lens * self.with_text(len(text))
            return lm(text, text_lens, *batch.tokens)
        return lm(*batch.tokens, generator=self.generator())

    def with_text(self, batch):
        """1 for the utterances that keep their text, 0 for others, [B].

        A model that was always trained with text could not continue speech
        without it.
        """
        draw = torch.rand(batch, generator=self.generator())
        return (draw >= self.hparams.textless_share).to(self.device)

    def compute_objectives(self, predictions, batch, stage):
        """The mean over the predicted tokens of the batch."""
        if stage != sb.Stage.TRAIN:
            self.valid.add(predictions["nll"], predictions["level"])
        return predictions["loss"]

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Write the log."""
        if self.nonfinite_in_a_row:
            return
        self.recent.add(outputs["nll"], outputs["level"])
        if should_step and self.optimizer_step % self.hparams.log_interval == 0:
            rate = self.optimizer.param_groups[0]["lr"]
            row = {**self.recent.read(), "learning rate": rate}
            self.write_log("train", **row)
            self.recent.clear()

    # Validation

    def on_stage_start(self, stage, epoch=None):
        """Start the means of a validation."""
        self.valid.clear()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, plot, write samples, save a checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        self.valid.gather()
        stats = self.valid.read()
        self.write_log("valid", **stats)
        self.hparams.train_logger.log_stats(  # broadcasts: all ranks call it
            {
                "epoch": epoch,
                "updates": self.optimizer_step,
                **self.clip_stats(),
            },
            train_stats={"loss": self.train_loss},
            valid_stats=stats,
        )
        if if_main_process():
            folder = Path(self.hparams.output_folder)
            plot_curves(self.log_path, folder / "curves.png")
            plot_perplexities(self.log_path, folder / "perplexities.png")
            samples = folder / "samples" / f"{self.optimizer_step}"
            with torch.no_grad():
                self.hparams.draw_samples(self.hparams.lm, samples)
        self.save_validated({"loss": stats["loss"]}, min_keys=["loss"])
