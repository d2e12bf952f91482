"""Training of the vocoder that turns Gogo's mel into audio (Section 3.1.2).

The Brain of recipes/LibriTTS/vocoder: first mel and multi-resolution STFT
distances alone, then, from a given update on, Vocos' discriminators and
adversarial losses with them (Siuzdak, 2023). The vocoder and the losses are
lobes, the discriminators the vocos package's own.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.dataio import audio_io
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger

from speechbrain_gogo.brains.checkpoints import num_processes
from speechbrain_gogo.brains.plots import plot_curves
from speechbrain_gogo.dataio.vocos_files import write_vocos
from speechbrain_gogo.lobes.adversarial_loss import (
    discriminator_loss,
    generator_losses,
)

logger = get_logger(__name__)


class VocoderBrain(sb.Brain):
    """Trains ``modules.vocoder``; other modules are its discriminators.

    The recipe's YAML gives ``mel``, ``vocoder``, ``ema``, ``budget``,
    ``mel_loss``, ``stft_loss``, ``loss_weights``, ``adversarial_start``,
    ``learning_rate``, ``sample_rate``, ``hop_length``, ``num_samples`` and
    ``output_folder``. One batch is one update.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in ("mel", "ema", "mel_loss", "stft_loss"):
            getattr(self.hparams, name).to(self.device)
        self.log_path = Path(self.hparams.output_folder) / "progress.jsonl"
        self.skipped = {}  # clip to reason
        self.parts = defaultdict(list)  # name to its losses of this epoch

    def init_optimizers(self):
        """One optimizer for the vocoder, one for all discriminators."""
        self.optimizer = self.opt_class(self.modules.vocoder.parameters())
        self.judges = {k: m for k, m in self.modules.items() if k != "vocoder"}
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        if self.judges:
            self.judge_optimizer = self.opt_class(
                [p for m in self.judges.values() for p in m.parameters()]
            )
            # A checkpoint from before the discriminators came in lacks them.
            late = {"judge_optimizer": self.judge_optimizer}
            for name, judge in self.judges.items():
                late[name] = getattr(judge, "module", judge)  # not the DDP
            for name, thing in late.items():
                self.checkpointer.add_recoverable(
                    name, thing, optional_load=True
                )

    # One update

    @property
    def adversarial(self):
        """Whether the discriminators take part in this update."""
        started = self.optimizer_step >= self.hparams.adversarial_start
        return bool(self.judges) and started

    @property
    def _optimizer_step_limit_exceeded(self):
        # The host asks this before every batch: the budget is the limit.
        return self.hparams.budget.over(self.optimizer_step)

    def fit_batch(self, batch):
        """One update of the discriminators, if they sit, and the vocoder.

        Arguments
        ---------
        batch : PaddedBatch
            With ``sig`` and the ``skipped`` of ``collate_usable``.

        Returns
        -------
        torch.Tensor
            The vocoder's loss, detached.
        """
        self.skipped.update(batch.skipped)
        with self.training_ctx:
            predicted = self.compute_forward(batch, sb.Stage.TRAIN)
        if self.adversarial:
            with self.training_ctx:
                loss = discriminator_loss(
                    self.judges,
                    predicted.detach(),
                    self.wavs(batch),
                    self.hparams.loss_weights,
                )
            self.count({"discriminators": loss})
            self.update(loss, self.judge_optimizer)
        with self.training_ctx:
            loss = self.compute_objectives(predicted, batch, sb.Stage.TRAIN)
        self.update(loss, self.optimizer)
        self.optimizer_step += 1
        self.hparams.ema.update_parameters(self.hparams.vocoder)
        return loss.detach().cpu()

    def compute_forward(self, batch, stage):
        """The vocoder's audio for the mel of the batch; EMA if not training.

        Arguments
        ---------
        batch : PaddedBatch
            With ``sig``.
        stage : sb.Stage
            Where we are.

        Returns
        -------
        torch.Tensor
            Waveforms, shape [B, T].
        """
        mel = self.hparams.mel(self.wavs(batch))  # [B, T / hop, n_mels]
        if stage == sb.Stage.TRAIN:
            return self.modules.vocoder(mel)
        return self.hparams.ema(mel)

    def compute_objectives(self, predicted, batch, stage):
        """The loss of the vocoder; in validation the mel distance alone.

        Arguments
        ---------
        predicted : torch.Tensor
            Waveforms, shape [B, T].
        batch : PaddedBatch
            With ``sig``.
        stage : sb.Stage
            Where we are.

        Returns
        -------
        torch.Tensor
            Scalar.
        """
        wavs, weights = self.wavs(batch), self.hparams.loss_weights
        with torch.autocast(self.device_type, enabled=False):
            parts = {"mel": self.hparams.mel_loss(predicted, wavs)}
            if stage != sb.Stage.TRAIN:
                self.keep_samples(batch.id, predicted, wavs)
                return parts["mel"]
            if weights["stft"]:
                parts["stft"] = self.hparams.stft_loss(predicted, wavs)
        if self.adversarial:
            parts.update(generator_losses(self.judges, predicted, wavs))
        loss = sum(
            weights[name.split()[0]] * part for name, part in parts.items()
        )
        self.count({**parts, "loss": loss})
        return loss

    def wavs(self, batch):
        """The waveforms of a batch, whole hops of them: [B, T]."""
        wavs, hop = batch.to(self.device).sig.data, self.hparams.hop_length
        return wavs[:, : wavs.shape[1] // hop * hop]

    def update(self, loss, optimizer):
        """Backward pass and step at the budget's learning rate.

        What is not finite makes no step, and ``nonfinite_patience`` times in
        a row an error.

        Arguments
        ---------
        loss : torch.Tensor
            Scalar.
        optimizer : torch.optim.Optimizer
            Of the modules to update.
        """
        self.check_loss_isfinite(loss)
        (group,) = optimizer.param_groups
        factor = self.hparams.budget.factor(self.optimizer_step + 1)
        group["lr"] = factor * self.hparams.learning_rate
        # The vocoder's loss has left gradients in the discriminators.
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            group["params"], self.max_grad_norm
        )
        if torch.isfinite(norm):
            self.scaler.step(optimizer)
        self.scaler.update()

    def check_loss_isfinite(self, loss):
        """Count bad updates in a row: one good update forgives the others."""
        super().check_loss_isfinite(loss)
        if torch.isfinite(loss):
            self.nonfinite_count = 0

    # Validation and records

    def count(self, parts):
        """Remember parts of the loss for the means of the epoch."""
        for name, value in parts.items():
            self.parts[name].append(float(value.detach()))

    def keep_samples(self, ids, predicted, wavs):
        """Write the first of each batch, with its original, while wanted.

        Batches apart are more often of different speakers than neighbours.
        """
        if not if_main_process() or self.samples_left == 0:
            return
        self.samples_left -= 1
        folder = Path(self.hparams.output_folder) / "samples"
        step = folder / f"{self.optimizer_step}"
        for where, wav in ((step, predicted), (folder / "original", wavs)):
            where.mkdir(parents=True, exist_ok=True)
            path, wav = where / f"{ids[0]}.wav", wav[0].float().clamp(-1, 1)
            audio_io.save(str(path), wav.cpu(), self.hparams.sample_rate)

    def on_stage_start(self, stage, epoch=None):
        """Start the means of an epoch, and the count of samples."""
        if stage == sb.Stage.TRAIN:
            self.parts.clear()
        self.samples_left = self.hparams.num_samples
        self.hparams.ema.module.eval()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, draw and save a checkpoint after a validation.

        Arguments
        ---------
        stage : sb.Stage
            Which one ended.
        stage_loss : float
            Its mean loss.
        epoch : int
            Current epoch.
        """
        if stage == sb.Stage.TRAIN:
            self.train_stats = {
                name: sum(values) / len(values)
                for name, values in self.parts.items()
            }
            rate = self.optimizer.param_groups[0]["lr"]
            self.train_stats["learning rate"] = rate
            return
        stats, skipped = {"mel": float(stage_loss)}, self.skipped_clips()
        if if_main_process():
            self.write_log("train", self.train_stats)
            self.write_log("valid", stats)
            folder = Path(self.hparams.output_folder)
            plot_curves(self.log_path, folder / "curves.png")
            self.hparams.train_logger.log_stats(
                {
                    "epoch": epoch,
                    "updates": self.optimizer_step,
                    "clips skipped": dict(skipped),
                },
                train_stats=self.train_stats,
                valid_stats=stats,
            )
        self.checkpointer.save_and_keep_only(
            meta={**stats, "step": self.optimizer_step}
        )

    def skipped_clips(self):
        """Training clips whose audio was broken, by reason, on all ranks."""
        found = [self.skipped]
        if self.distributed_launch:
            found = [None] * num_processes()
            torch.distributed.all_gather_object(found, self.skipped)
        everywhere = {key: why for one in found for key, why in one.items()}
        return Counter(everywhere.values())

    def write_log(self, stage, values):
        """Append one row to the JSON-lines log."""
        row = {"step": self.optimizer_step, "stage": stage, **values}
        with open(self.log_path, "a") as log:
            log.write(json.dumps(row) + "\n")

    def export(self, folder):
        """Write the EMA weights, in fp16.

        The last ones: under discriminators the mel distance, by which one
        could choose, gets worse while the audio gets better.

        Arguments
        ---------
        folder : str | Path
            Gets vocoder.safetensors and config.yaml; ``from_source`` of
            ``VocosVocoder`` reads them.
        """
        write_vocos(self.hparams.ema.module, folder)
        logger.info(f"Exported the vocoder of update {self.optimizer_step}.")
