"""The Brain of codecs that are trained with mel discriminators.

SoCodec (Section 3.2.4) and CoFi-Codec (Section II-A) share it. An update trains
the codec, then the discriminators; validation reports the mel error of the
first b levels. A subclass defines the features of a batch and the validation.
"""

from collections import Counter

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.lobes.vocoder.mel_discriminator import (
    discriminator_loss,
    real_score_loss,
)
from speechbrain_gogo.metrics.reports.pictures import plot_mels


class AdversarialCodecBrain(TrainingBrain):
    """Trains ``modules.objective`` against ``modules.discriminator``.

    A subclass gives :meth:`features`, :meth:`valid_errors`,
    :meth:`decoded_mels` and ``decoders``, which predict the features. Its objective takes the features, a generator and
    whether quantization is skipped. It returns a dict with "loss", "predicted"
    (the log-mel), "embedding", other scalars, and "ids", a dict of the ids
    int64 [M] of each codebook.

    The recipe's YAML gives ``codec``, ``budget``, ``adversarial_weight``,
    ``adversarial_start``, ``quantize_start``, ``embedding_decay``,
    ``valid_keeps``, ``sample_clips``, ``vocoder``, ``log_interval``, ``seed`` and
    ``output_folder``. One batch is one update.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.codec = self.hparams.codec
        self.recent, self.valid_sums = Counter(), Counter()

    def init_optimizers(self):
        """One optimizer for the codec, one for the discriminators."""
        self.optimizer = self.opt_class(self.modules.objective.parameters())
        self.judge_optimizer = self.opt_class(
            self.modules.discriminator.parameters()
        )
        for name in ("optimizer", "judge_optimizer"):
            self.checkpointer.add_recoverable(name, getattr(self, name))

    def features(self, batch):
        """Features of a batch with ``id`` and ``sig``, as the objective takes them.

        A tuple; its last two are the log-mel [B, M, n_mels] and relative lengths [B].
        """
        raise NotImplementedError

    def valid_errors(self, features, batch):
        """Errors in validation by name, averaged over the clips of a batch: scalars.

        ``features`` are those of the batch. There is a "mel keep b" of each of
        ``valid_keeps``.
        """
        raise NotImplementedError

    def decoded_mels(self, wav):
        """Log-mels [M, n_mels] of a clip [1, T], by name, for pictures.

        "original" and, for each b of ``valid_keeps``, "keep b".
        """
        raise NotImplementedError

    @torch.no_grad()
    def start_at_means(self, clips):
        """Initialize the last biases of ``decoders`` with means of their targets.

        The log-mel has a mean of about -6, which a bias of initially 0 would
        reach after thousands of updates.
        """
        batches = (PaddedBatch([clip]) for clip in clips)
        targets = zip(*(self.features(batch)[:-1] for batch in batches))
        for decoder, features in zip(self.decoders, targets):
            every = torch.cat([each[0] for each in features])
            decoder.conv_out.bias.copy_(every.mean(0))

    # One update

    def fit_batch(self, batch):
        """One update of the codec, then one of the discriminators."""
        self.receive(batch)
        self.update_finite = True
        generator = self.generator()
        adversarial = self.optimizer_step >= self.hparams.adversarial_start
        judge = self.modules.discriminator
        with self.training_ctx:
            features = self.features(batch)
            *_, mel, lens = features
            losses = self.modules.objective(
                *features,
                generator,
                self.optimizer_step < self.hparams.quantize_start,
            )
            loss, predicted = losses["loss"], losses["predicted"]
            # The discriminators without their distributed wrapper.
            plain = getattr(judge, "module", judge)
            starts = plain.draw_starts(mel, lens, generator)
            if adversarial:
                losses["adversarial"] = real_score_loss(
                    judge(predicted, lens, starts)
                )
                weight = self.hparams.adversarial_weight  # lambda_adv
                loss = loss + weight * losses["adversarial"]
        self.check_loss_isfinite(loss.detach())
        self.update(loss, self.optimizer, "the codec's gradient")
        if adversarial:
            with self.training_ctx:
                both = torch.cat([mel, predicted.detach().to(mel)])
                scores = judge(both, lens.repeat(2), starts.repeat(1, 2))
                judged = discriminator_loss(*scores.chunk(2, dim=1))
            of = "the discriminators' gradient"
            self.update(judged, self.judge_optimizer, of)
            losses["discriminator"] = judged
        self.optimizer_step += 1
        self.follow_embedding(losses["embedding"])
        self.record(losses)
        return loss.detach().cpu()

    @torch.no_grad()
    def follow_embedding(self, embeddings):
        """Update the codec's mean embedding, the default voice in decoding."""
        mean = embeddings.float().mean(0)
        if mean.isfinite().all():
            share = 1 - self.hparams.embedding_decay
            self.codec.mean_embedding.lerp_(mean, share)

    def record(self, losses):
        """Sum losses, on their device until they are logged."""
        for name, value in losses.items():
            if torch.is_tensor(value) and value.dim() == 0:
                self.recent[name] += value.detach().double()
        self.recent["count"] += 1
        for name, ids in losses["ids"].items():
            used = ids.unique().numel() / max(1, len(ids))
            self.recent[f"ids per step, {name}"] += used
        if self.optimizer_step % self.hparams.log_interval == 0:
            count = self.recent.pop("count")
            row = {k: float(v) / count for k, v in self.recent.items()}
            self.write_log("train", **row)
            self.recent.clear()

    # Validation

    def compute_forward(self, batch, stage):
        """The errors of :meth:`valid_errors`."""
        return self.valid_errors(self.features(batch), batch)

    def compute_objectives(self, predictions, batch, stage):
        """In validation, the mel error at the last of ``valid_keeps``."""
        for name, value in predictions.items():
            self.valid_sums[name] += float(value) * len(batch.id)
        self.valid_sums["count"] += len(batch.id)
        return predictions[f"mel keep {self.hparams.valid_keeps[-1]}"]

    def on_stage_start(self, stage, epoch=None):
        """Start the averages of a validation."""
        self.valid_sums.clear()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, draw, save a checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        count = self.valid_sums.pop("count")
        stats = {k: v / count for k, v in self.valid_sums.items()}
        self.write_log("valid", **stats)
        self.log_validation(epoch, {"loss": self.train_loss}, stats)
        self.save_validated(stats)

    @torch.no_grad()
    def draw_samples(self, folder):
        """Mel pictures and audio of the first validation clips."""
        vocoder = self.hparams.vocoder.to(self.device)
        for item in self.hparams.sample_clips:
            name = file_name(item["id"])
            wav = item["sig"].to(self.device).unsqueeze(0)
            self.write_original(name, wav)
            mels = self.decoded_mels(wav)
            mels = {title: mel.float() for title, mel in mels.items()}
            for keep in self.hparams.valid_keeps:
                audio = vocoder(mels[f"keep {keep}"][None])
                path = folder / f"{name}_keep{keep}.wav"
                self.write_audio(path, audio[:, : wav.shape[1]])
            mels = {title: mel.cpu() for title, mel in mels.items()}
            codec, image = self.codec, folder / f"{name}.png"
            rate = codec.sample_rate / codec.mel.hop_length
            plot_mels(mels, image, codec.group_size, rate)
