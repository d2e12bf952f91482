"""The Brain that trains SoCodec's language model (Sections 4 and 5.2).

Tokens and reference embedding are those of the target speech itself. The codec
is frozen: where there is a folder to keep them, each clip is encoded once.
"""

from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.plots import plot_curves
from speechbrain_gogo.brains.speech_lm import LevelMeans
from speechbrain_gogo.dataio.features import FeatureCache


class MultiStreamLMBrain(TrainingBrain):
    """Trains ``modules.lm``, a MultiStreamLM.

    The recipe's YAML gives ``lm``, ``token_folder`` (or None), ``log_interval``
    and what :class:`~speechbrain_gogo.brains.base.TrainingBrain` wants; the
    recipe adds ``codec``, a pretrained codec with embeddings. Batches have
    ``id``, ``sig`` and ``text``.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        codec = self.codec = self.hparams.codec
        names = [f"{stream + 1}" for stream in range(codec.num_codebooks)]
        self.recent, self.valid = LevelMeans(names), LevelMeans(names)
        self.cache = None
        if self.hparams.token_folder is not None:
            self.cache = {
                kind: FeatureCache(
                    Path(self.hparams.token_folder) / kind,
                    codec.fingerprint,
                    dtype,
                )
                for kind, dtype in (
                    ("tokens", "int32"),
                    ("embeddings", "float32"),
                )
            }

    # Tokens and embeddings

    def encode(self, batch):
        """Embeddings [B, D], tokens [B, N, S] and lengths [B] of a batch."""
        wavs, lens = batch.sig
        counts = (lens.double() * wavs.shape[1]).round().long().tolist()
        found = [
            self.encode_clip(key, wav[:count])
            for key, wav, count in zip(batch.id, wavs, counts)
        ]
        embeddings, tokens = zip(*found)
        steps = torch.tensor([len(each) for each in tokens])
        tokens = pad_sequence(tokens, True).to(self.device)
        lens = (steps / steps.max()).to(self.device)
        return torch.stack(embeddings).to(self.device), tokens, lens

    def encode_clip(self, key, wav):
        """Embedding [D] and tokens [N, S] of a clip [T]."""
        if self.cache is not None:
            found = [cache.get(key) for cache in self.cache.values()]
            if None not in found:
                return found[1], found[0].long()
        tokens = self.codec.encode_batch(wav[None])[0][0]
        embedding = self.codec.speaker_embedding(wav[None])[0]
        if self.cache is not None:
            self.cache["tokens"].put(key, tokens)
            self.cache["embeddings"].put(key, embedding)
        return embedding, tokens

    # One update

    def compute_forward(self, batch, stage):
        """Losses of a batch, averaged over the streams."""
        batch = batch.to(self.device)
        embeddings, tokens, lens = self.encode(batch)
        lm = self.unwrapped(self.modules.lm, stage)
        return lm(embeddings, *batch.text, tokens, lens)

    def compute_objectives(self, predictions, batch, stage):
        """The cross-entropy."""
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
        """Log, draw, save a checkpoint."""
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
        self.save_validated({"loss": stats["loss"]}, min_keys=["loss"])
