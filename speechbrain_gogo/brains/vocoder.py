"""Training of the vocoder that turns Gogo's mel into audio (Section 3.1.2).

The Brain of recipes/LibriTTS/vocoder: first mel and multi-resolution STFT
distances alone, then, from a given step on, Vocos' discriminators and
adversarial losses with them (Siuzdak, 2023). Losses and discriminators are
the vocos package's own; the module is in lobes/vocoder.py.
"""

import time
from collections import Counter
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.dataio import audio_io
from speechbrain.utils.distributed import ddp_broadcast, if_main_process
from speechbrain.utils.logger import get_logger
from vocos.loss import DiscriminatorLoss, FeatureMatchingLoss, GeneratorLoss

from speechbrain_gogo.brains.curves import plot_curves
from speechbrain_gogo.lobes.vocos_files import write_vocos

logger = get_logger(__name__)


class VocoderBrain(sb.Brain):
    """Trains ``modules.vocoder``; other modules are its discriminators.

    ``hparams`` holds mel, ema (an AveragedModel of the vocoder), scheduler
    (a function of the optimizer), mel_loss, stft_loss, the weights of all
    losses, adversarial_start, max_minutes, sample_rate, hop_length,
    num_samples, output_folder, train_logger, vocoder. One batch is one update.
    """

    @property
    def adversarial(self):
        """Whether the discriminators take part in this update."""
        start = self.hparams.adversarial_start
        return len(self.modules) > 1 and self.optimizer_step >= start

    def init_optimizers(self):
        """One optimizer for the vocoder, one for all discriminators."""
        self.optimizer = self.opt_class(self.modules.vocoder.parameters())
        self.scheduler = self.hparams.scheduler(self.optimizer)
        saved = {"optimizer": self.optimizer, "scheduler": self.scheduler}
        self.judges = {k: m for k, m in self.modules.items() if k != "vocoder"}
        if self.judges:
            self.judge_optimizer = self.opt_class(
                [p for m in self.judges.values() for p in m.parameters()]
            )
            saved["judge_optimizer"] = self.judge_optimizer
            saved.update(self.judges)
        if self.checkpointer is not None:
            for name, thing in saved.items():
                # A checkpoint from before the discriminators came in lacks
                # them, and nothing else.
                young = name in self.judges or name == "judge_optimizer"
                self.checkpointer.add_recoverable(
                    name, thing, optional_load=young
                )

    def on_fit_start(self):
        """Everything that is no trained module goes to the device, too."""
        for name in ("mel", "ema", "mel_loss", "stft_loss"):
            getattr(self.hparams, name).to(self.device)
        super().on_fit_start()
        self.started = time.monotonic()

    def compute_forward(self, batch, stage):
        """The vocoder's audio for the mel of the batch; EMA if not training.

        Arguments
        ---------
        batch : PaddedBatch
            With ``sig`` and the ``skipped`` of ``collate_usable``.
        stage : sb.Stage
            Where we are.

        Returns
        -------
        torch.Tensor
            Waveforms, shape [B, T].
        """
        wavs = self.wavs(batch.to(self.device))
        mel = self.hparams.mel(wavs)  # [B, T / hop, n_mels]
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
        wavs, hparams = self.wavs(batch), self.hparams
        with torch.autocast(self.device_type, enabled=False):
            mel = hparams.mel_loss(predicted, wavs)
            if stage != sb.Stage.TRAIN:
                self.keep_samples(batch.id, predicted, wavs)
                return mel
            parts = {"mel": hparams.mel_weight * mel}
            if hparams.stft_weight:
                stft = hparams.stft_loss(predicted, wavs)
                parts["stft"] = hparams.stft_weight * stft
        if self.adversarial:
            parts.update(self.judged(predicted, wavs))
        self.add_parts(parts)
        return sum(parts.values())

    def wavs(self, batch):
        """The waveforms of a batch, whole hops of them: [B, T]."""
        hop = self.hparams.hop_length
        return batch.sig.data[:, : batch.sig.data.shape[1] // hop * hop]

    def judged(self, predicted, wavs):
        """What the discriminators make of the vocoder's audio, by name."""
        parts = {}
        for name, judge in self.judges.items():
            _, scores, real, fake = judge(y=wavs, y_hat=predicted)
            weight = self.hparams.discriminator_weights[name] / len(scores)
            adversarial, _ = GeneratorLoss()(scores)
            matching = FeatureMatchingLoss()(real, fake)
            parts[f"{name}_adversarial"] = weight * adversarial.squeeze()
            parts[f"{name}_matching"] = weight * matching.squeeze()
        return parts

    def judge_loss(self, predicted, wavs):
        """The discriminators' own hinge loss on real and vocoded audio."""
        loss = 0.0
        for name, judge in self.judges.items():
            real, fake, _, _ = judge(y=wavs, y_hat=predicted)
            weight = self.hparams.discriminator_weights[name] / len(real)
            loss = loss + weight * DiscriminatorLoss()(real, fake)[0].squeeze()
        return loss

    def fit_batch(self, batch):
        """One update of the discriminators, if they sit, and the vocoder.

        Arguments
        ---------
        batch : PaddedBatch
            With ``sig``.

        Returns
        -------
        torch.Tensor
            The vocoder's loss, detached.
        """
        self.skipped.update(reason for _, reason in batch.skipped)
        with self.training_ctx:
            predicted = self.compute_forward(batch, sb.Stage.TRAIN)
            if self.adversarial:
                judged = self.judge_loss(predicted.detach(), self.wavs(batch))
        if self.adversarial:
            self.add_parts({"discriminators": judged})
            for group in self.judge_optimizer.param_groups:
                group["lr"] = self.scheduler.get_last_lr()[0]
            self.update(judged, self.judge_optimizer)
        with self.training_ctx:
            loss = self.compute_objectives(predicted, batch, sb.Stage.TRAIN)
        self.update(loss, self.optimizer)
        self.scheduler.step()
        self.hparams.ema.update_parameters(self.hparams.vocoder)
        self.optimizer_step += 1
        self.stop_in_time()
        return loss.detach().cpu()

    def update(self, loss, optimizer):
        """Backward pass and step; not finite: no step, and N times an error.

        Arguments
        ---------
        loss : torch.Tensor
            Scalar.
        optimizer : torch.optim.Optimizer
            Of the modules to update.
        """
        self.check_loss_isfinite(loss)
        if torch.isfinite(loss):
            self.nonfinite_count = 0  # so that patience means in a row
        # The vocoder's loss passes through the discriminators and leaves
        # gradients there.
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            optimizer.param_groups[0]["params"], self.max_grad_norm
        )
        if torch.isfinite(norm):
            self.scaler.step(optimizer)
        self.scaler.update()

    def stop_in_time(self):
        """Let this update be the last if the minutes of this run are over."""
        if self.hparams.max_minutes is None:
            return
        minutes = (time.monotonic() - self.started) / 60
        if ddp_broadcast(minutes > self.hparams.max_minutes):
            logger.info(
                f"Stopping at step {self.optimizer_step}: max_minutes="
                f"{self.hparams.max_minutes} are over."
            )
            self.optimizer_step_limit = self.optimizer_step

    def add_parts(self, parts):
        """Sum up parts of the loss for the means of the epoch."""
        for name, value in parts.items():
            total, count = self.parts.get(name, (0.0, 0))
            self.parts[name] = (total + float(value.detach()), count + 1)

    def keep_samples(self, ids, predicted, wavs):
        """Write the first of each batch until there are enough, with its
        original: batches apart are more often of different speakers.
        """
        if not if_main_process() or self.samples_left == 0:
            return
        self.samples_left -= 1
        folder = Path(self.hparams.output_folder) / "samples"
        step = folder / f"step_{self.optimizer_step:07d}"
        for where, wav in ((step, predicted), (folder / "original", wavs)):
            where.mkdir(parents=True, exist_ok=True)
            path, wav = where / f"{ids[0]}.wav", wav[0].float().clamp(-1, 1)
            audio_io.save(str(path), wav.cpu(), self.hparams.sample_rate)

    def on_stage_start(self, stage, epoch=None):
        """Fresh sums for the losses, and a fresh count of samples."""
        if stage == sb.Stage.TRAIN:
            self.parts, self.skipped = {}, Counter()
        self.samples_left = self.hparams.num_samples

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, plot and save after a validation.

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
                name: total / count
                for name, (total, count) in self.parts.items()
            }
            self.train_stats["loss"] = float(stage_loss)
            if self.skipped:
                logger.warning(f"Skipped in this epoch: {dict(self.skipped)}")
            return
        meta = {
            "epoch": epoch,
            "step": self.optimizer_step,
            "lr": self.scheduler.get_last_lr()[0],
        }
        self.hparams.train_logger.log_stats(
            meta, self.train_stats, valid_stats={"mel_distance": stage_loss}
        )
        if if_main_process():
            row = {**meta, **self.train_stats, "mel_distance": stage_loss}
            plot_curves(Path(self.hparams.output_folder), row)
        self.checkpointer.save_and_keep_only(
            meta={"mel_distance": float(stage_loss)},
            min_keys=["mel_distance"],
        )

    def export(self, folder):
        """Write the EMA weights of the best validation, in fp16.

        Arguments
        ---------
        folder : str | Path
            Gets vocoder.safetensors and config.yaml; ``from_source`` of
            ``VocosVocoder`` reads them.
        """
        self.checkpointer.recover_if_possible(min_key="mel_distance")
        write_vocos(self.hparams.ema.module, folder)
        logger.info(f"Exported the vocoder of step {self.optimizer_step}.")
