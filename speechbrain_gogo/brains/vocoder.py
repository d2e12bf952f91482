"""Training of the vocoder that turns Gogo's mel into audio (Section 3.1.1).

The Brain of recipes/LibriTTS/vocoder. It starts with distances of waveforms: mel,
STFT at several resolutions, envelopes, loudness, features of a recogniser. From a
given update on, it adds Vocos' discriminators and adversarial losses (Siuzdak, 2023).
Vocoder and losses are lobes; the discriminators come from the vocos package.
"""

from collections import Counter

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.dataio.ranks import sum_over_ranks
from speechbrain_gogo.lobes.vocoder.adversarial_loss import (
    discriminator_loss,
    generator_losses,
)
from speechbrain_gogo.lobes.vocoder.coded_mel import CodedMel
from speechbrain_gogo.lobes.vocoder.vocos_files import write_vocos
from speechbrain_gogo.metrics.reports.pictures import plot_mels

logger = get_logger(__name__)

# Beside the mel distance, those with a weight: their objects in the YAML.
DISTANCES = {
    "stft": "stft_loss",
    "envelopes": "envelope_loss",
    "loudness": "loudness_loss",
    "hearing": "hearing_loss",
}


class VocoderBrain(TrainingBrain):
    """Trains ``modules.vocoder``; other modules are its discriminators.

    The recipe's YAML gives ``mel``, ``vocoder``, ``ema``, ``budget``,
    ``mel_loss``, ``loss_weights``, the losses of ``DISTANCES`` that have a
    weight (null is a ValueError), ``adversarial_start``, ``sample_rate``,
    ``hop_length``, ``num_samples`` and what
    :class:`~speechbrain_gogo.brains.base.TrainingBrain` needs. One batch
    is one update.
    """

    splits_validation = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in ("mel", "ema", "mel_loss"):
            getattr(self.hparams, name).to(self.device)
        self.distances = {}
        for name, key in DISTANCES.items():
            if not self.hparams.loss_weights[name]:
                continue
            loss = getattr(self.hparams, key)
            if loss is None:
                raise ValueError(
                    f"loss_weights has a weight for '{name}', but {key} is "
                    "null: give that loss, or the weight 0."
                )
            self.distances[name] = loss.to(self.device)
        # Sums of the parts of the loss since the last validation.
        self.sums, self.counts = Counter(), Counter()

    def init_optimizers(self):
        """One optimizer for the vocoder, one for all discriminators."""
        self.optimizer = self.opt_class(self.modules.vocoder.parameters())
        self.judges = {k: m for k, m in self.modules.items() if k != "vocoder"}
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        if self.judges:
            self.judge_optimizer = self.opt_class(
                [p for m in self.judges.values() for p in m.parameters()]
            )
            # A checkpoint from before ``adversarial_start`` lacks them.
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
        """Whether this update uses the discriminators."""
        started = self.optimizer_step >= self.hparams.adversarial_start
        return bool(self.judges) and started

    def fit_batch(self, batch):
        """One update of the discriminators, if used, and of the vocoder."""
        self.receive(batch)
        self.update_finite = True
        with self.training_ctx:
            predicted = self.compute_forward(batch, sb.Stage.TRAIN)
        judged = 0.0
        if self.adversarial:
            with self.training_ctx:
                loss = discriminator_loss(
                    self.judges,
                    predicted.detach(),
                    self.wavs(batch),
                    self.hparams.loss_weights,
                )
            self.count({"discriminators": loss})
            of = "the discriminators' gradient"
            self.update(loss, self.judge_optimizer, of)
            judged = loss.detach()
        with self.training_ctx:
            loss = self.compute_objectives(predicted, batch, sb.Stage.TRAIN)
        self.check_loss_isfinite(judged + loss.detach())
        self.update(loss, self.optimizer, "the vocoder's gradient")
        self.optimizer_step += 1
        self.hparams.ema.update_parameters(self.hparams.vocoder)
        return loss.detach().cpu()

    def compute_forward(self, batch, stage):
        """The vocoder's audio, as long as :meth:`wavs`; by the EMA if not training."""
        draws = {}
        if stage == sb.Stage.TRAIN and isinstance(self.hparams.mel, CodedMel):
            draws["generator"] = self.generator()
        mel = self.hparams.mel(self.wavs(batch), **draws)  # [B, T / hop, d]
        if stage == sb.Stage.TRAIN:
            return self.modules.vocoder(mel)
        return self.hparams.ema(mel)

    def compute_objectives(self, predicted, batch, stage):
        """The loss of the vocoder; in validation the mel distance of each clip."""
        wavs, weights = self.wavs(batch), self.hparams.loss_weights
        if stage != sb.Stage.TRAIN:
            return self.validate(predicted, wavs, batch)
        with torch.autocast(self.device_type, enabled=False):
            parts = {"mel": self.hparams.mel_loss(predicted, wavs)}
            for name, distance in self.distances.items():
                parts[name] = distance(predicted, wavs)
        if self.adversarial:
            parts.update(generator_losses(self.judges, predicted, wavs))
        loss = sum(
            weights[name.split()[0]] * part for name, part in parts.items()
        )
        self.count({**parts, "loss": loss})
        return loss

    def wavs(self, batch):
        """Waveforms of a batch, cut to whole hops: [B, T]."""
        wavs, hop = batch.to(self.device).sig.data, self.hparams.hop_length
        return wavs[:, : wavs.shape[1] // hop * hop]

    # Validation and records

    def validate(self, predicted, wavs, batch):
        """Mean distance of the clips' mels, without their padding, a scalar.

        ``predicted`` and ``wavs`` are [B, T].
        """
        samples, lens = batch.sig.data.shape[1], batch.sig.lengths
        ends = (lens * samples).round().long().tolist()
        pairs = [
            (ours[None, :end], theirs[None, :end])
            for ours, theirs, end in zip(predicted, wavs, ends)
        ]
        self.keep_samples(batch.id, *pairs[0])
        with torch.autocast(self.device_type, enabled=False):
            distances = [self.hparams.mel_loss(*pair) for pair in pairs]
        total = torch.stack(distances).sum()
        self.valid_sums.update({"mel": total, "clips": len(distances)})
        return total / len(distances)

    def count(self, parts):
        """Add parts of the loss to their sums, which stay on the device.

        Values that are not finite are ignored: their update is skipped.
        """
        for name, value in parts.items():
            value, finite = value.detach().double(), value.isfinite()
            self.sums[name] += torch.where(finite, value, 0.0)
            self.counts[name] += finite

    def keep_samples(self, ids, predicted, wav):
        """Write a batch's first clip [1, T] with its original, up to ``num_samples``.

        Clips of different batches are more likely of different speakers.
        """
        if not if_main_process() or self.samples_left == 0:
            return
        self.samples_left -= 1
        name = file_name(ids[0])
        self.write_original(name, wav)
        folder = self.samples_folder / f"{self.optimizer_step}"
        self.write_audio(folder / f"{name}.wav", predicted)
        both = torch.cat([wav, predicted]).float()
        mel = self.hparams.mel
        mel = mel.codec.mel if isinstance(mel, CodedMel) else mel
        mels = mel(both).cpu()
        mels = dict(zip(("original", "vocoder"), mels))
        rate = self.hparams.sample_rate / self.hparams.hop_length
        fifth = round(rate / 5)  # of a second, between two lines
        plot_mels(mels, folder / f"{name}.png", fifth, rate)

    def on_stage_start(self, stage, epoch=None):
        """Start the count of samples."""
        self.samples_left = self.hparams.num_samples
        self.hparams.mel.train(stage == sb.Stage.TRAIN)
        self.valid_sums = Counter()
        self.hparams.ema.module.eval()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, draw and save a checkpoint after a validation."""
        if stage == sb.Stage.TRAIN:
            return
        train_stats = {
            name: float(total) / max(1, int(self.counts[name]))
            for name, total in self.sums.items()
        }
        self.sums.clear()
        self.counts.clear()
        valid = sum_over_ranks(self.valid_sums)
        stats = {"mel": float(valid["mel"]) / valid["clips"]}
        self.write_log("train", **train_stats)
        self.write_log("valid", **stats)
        self.log_validation(epoch, train_stats, stats)
        self.save_validated(stats)

    def export(self, folder):
        """Write the EMA weights, in fp16, as ``VocosVocoder.from_source`` reads them.

        These are the last ones: with discriminators the mel distance, by which
        one could select a checkpoint, gets worse while the audio gets better.
        """
        write_vocos(self.hparams.ema.module, folder)
        logger.info(f"Exported the vocoder of update {self.optimizer_step}.")
