"""The Brain that trains SoCodec (Section 3.2.4).

The codec and the discriminators of its mel take turns within an update. The
frozen features of a clip are computed once, where there is a folder to keep
them. Validation reports the errors of the first k streams: Figure 4, in terms
of mel and features.
"""

from collections import Counter
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.plots import plot_curves, plot_mels
from speechbrain_gogo.dataio.features import FeatureCache
from speechbrain_gogo.lobes.socodec.objective import mean_square
from speechbrain_gogo.lobes.vocoder.mel_discriminator import (
    discriminator_loss,
    real_score_loss,
)


class SoCodecBrain(TrainingBrain):
    """Trains ``modules.objective`` against ``modules.discriminator``.

    The recipe's YAML gives ``codec``, ``budget``, ``feature_folder`` (or
    None), ``adversarial_weight``, ``adversarial_start``, ``embedding_decay``,
    ``valid_keeps``, ``sample_clips``, ``log_interval``, ``seed`` and
    ``output_folder``. One batch is one update.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.codec = self.hparams.codec
        self.recent, self.valid_sums = Counter(), Counter()
        self.cache = None
        if self.hparams.feature_folder is not None:
            signature = [self.codec.ssl.source, *self.codec.ssl.signature]
            self.cache = FeatureCache(self.hparams.feature_folder, signature)

    def init_optimizers(self):
        """One optimizer for the codec, one for the discriminators."""
        self.optimizer = self.opt_class(self.modules.objective.parameters())
        self.judge_optimizer = self.opt_class(
            self.modules.discriminator.parameters()
        )
        for name in ("optimizer", "judge_optimizer"):
            self.checkpointer.add_recoverable(name, getattr(self, name))

    # Features

    def features(self, batch):
        """Self-supervised features, log-mel and lengths of a batch.

        Arguments
        ---------
        batch : PaddedBatch
            With ``id`` and ``sig``.

        Returns
        -------
        tuple of torch.Tensor
            [B, F, D], [B, M, n_mels] and relative lengths [B].
        """
        wavs, lens = batch.to(self.device).sig
        clips = self.codec.split_clips(wavs, lens)
        ssl = [self.clip_features(*each) for each in zip(batch.id, clips)]
        mel = [self.codec.mel(clip[None])[0] for clip in clips]
        lens = self.codec.relative_lengths(clips, self.device)
        return pad_sequence(ssl, True), pad_sequence(mel, True), lens

    def clip_features(self, key, clip):
        """Self-supervised features [F, D] of a clip [T], read or computed."""
        if self.cache is None:
            return self.codec.read_ssl(clip)
        found = self.cache.get(key)
        if found is None or len(found) * 320 != len(clip):
            found = self.codec.read_ssl(clip)
            self.cache.put(key, found)
        return found.to(self.device).float()

    @torch.no_grad()
    def start_at_means(self, clips):
        """Let the decoders' last biases be the means of what they decode.

        The log-mel has a mean of about -6, which a bias that starts at 0
        reaches after thousands of updates.

        Arguments
        ---------
        clips : iterable of dict
            With ``id`` and ``sig``.
        """
        ssl, mel = [], []
        for item in clips:
            wav = item["sig"].to(self.device)[None]
            clip = self.codec.split_clips(wav)[0]
            ssl.append(self.clip_features(item["id"], clip))
            mel.append(self.codec.mel(clip[None])[0])
        decoders = self.codec.semantic_decoder, self.codec.acoustic_decoder
        for decoder, features in zip(decoders, (ssl, mel)):
            decoder.conv_out.bias.copy_(torch.cat(features).mean(0))

    # One update

    def fit_batch(self, batch):
        """One update of the codec, then one of the discriminators.

        Arguments
        ---------
        batch : PaddedBatch
            With ``id``, ``sig`` and the ``skipped`` of ``collate_usable``.

        Returns
        -------
        torch.Tensor
            The codec's loss, detached.
        """
        self.count_clips(batch)
        generator = self.generator()
        adversarial = self.optimizer_step >= self.hparams.adversarial_start
        judge = self.modules.discriminator
        with self.training_ctx:
            ssl, mel, lens = self.features(batch)
            losses = self.modules.objective(
                ssl,
                mel,
                lens,
                generator,
                self.optimizer_step < self.hparams.quantize_start,
            )
            loss, predicted = losses["loss"], losses["predicted"]
            starts = self.judges().draw_starts(mel, lens, generator)
            if adversarial:
                losses["adversarial"] = real_score_loss(
                    judge(predicted, starts)
                )
                weight = self.hparams.adversarial_weight  # lambda_4
                loss = loss + weight * losses["adversarial"]
        self.check_loss_isfinite(loss.detach())
        self.update(loss, self.optimizer)
        if adversarial:
            with self.training_ctx:
                both = torch.cat([mel, predicted.detach().to(mel)])
                scores = judge(both, starts.repeat(1, 2))
                judged = discriminator_loss(*scores.chunk(2, dim=1))
            self.update(judged, self.judge_optimizer)
            losses["discriminator"] = judged
        self.optimizer_step += 1
        self.follow_embedding(losses["embedding"])
        self.record(losses)
        return loss.detach().cpu()

    def judges(self):
        """The discriminators without their distributed wrapper."""
        judge = self.modules.discriminator
        return getattr(judge, "module", judge)

    def update(self, loss, optimizer):
        """Backward pass and step at the budget's learning rate.

        A gradient that is not finite makes no step.

        Arguments
        ---------
        loss : torch.Tensor
            Scalar.
        optimizer : torch.optim.Optimizer
            Of the modules to update.
        """
        self.set_learning_rate(optimizer)
        # The codec's loss has left gradients in the discriminators.
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(
            optimizer.param_groups[0]["params"], self.max_grad_norm
        )
        of = "the codec's gradient"
        if optimizer is not self.optimizer:
            of = "the discriminators' gradient"
        if self.is_finite(norm, of):
            self.scaler.step(optimizer)
        self.scaler.update()

    @torch.no_grad()
    def follow_embedding(self, embeddings):
        """Move the codec's mean embedding, the voice of tokens without one."""
        mean = embeddings.float().mean(0)
        if mean.isfinite().all():
            share = 1 - self.hparams.embedding_decay
            self.codec.mean_embedding.lerp_(mean, share)

    def record(self, losses):
        """Add up losses, on their device until they are written."""
        for name in ("loss", "vq", "semantic", "mel"):
            self.recent[name] += losses[name].detach().double()
        for name in ("adversarial", "discriminator"):
            if name in losses:
                self.recent[name] += losses[name].detach().double()
        self.recent["count"] += 1
        tokens = losses["tokens"]  # [M, S]
        for stream, ids in enumerate(tokens.T, 1):
            used = ids.unique().numel() / max(1, len(ids))
            self.recent[f"ids per step, stream {stream}"] += used
        if self.optimizer_step % self.hparams.log_interval == 0:
            count = self.recent.pop("count")
            row = {k: float(v) / count for k, v in self.recent.items()}
            rate = self.optimizer.param_groups[0]["lr"]
            self.write_log("train", **row, **{"learning rate": rate})
            self.recent.clear()

    # Validation

    def compute_forward(self, batch, stage):
        """Errors of the features and the mel from the first k streams."""
        ssl, mel, lens = self.features(batch)
        codes, g = self.codec.encode_features(ssl, mel, lens)
        errors = {}
        for keep in self.hparams.valid_keeps:
            with torch.autocast(self.device_type, enabled=False):
                q = self.codec.quantizer.decode(codes[..., :keep])
            features, predicted = self.codec.decode_quantized(q, g)
            semantic = mean_square(features, ssl, lens)
            errors[f"semantic keep {keep}"] = semantic
            errors[f"mel keep {keep}"] = mean_square(predicted, mel, lens)
        return errors

    def compute_objectives(self, predictions, batch, stage):
        """In validation, the mel error of the last keep."""
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
            self.draw_samples(folder / "samples" / f"{self.optimizer_step}")
        self.save_validated(stats)

    @torch.no_grad()
    def draw_samples(self, folder):
        """Mel pictures of the first validation clips."""
        for item in self.hparams.sample_clips:
            wav = item["sig"].to(self.device).unsqueeze(0)
            ssl, mel, _ = self.codec.read_features(wav)
            codes, g = self.codec.encode_features(ssl, mel)
            mels = {"original": mel[0].cpu()}
            for keep in self.hparams.valid_keeps:
                decoded = self.codec.decode_mel(codes[..., :keep], g)
                mels[f"keep {keep}"] = decoded[0].float().cpu()
            plot_mels(mels, folder / f"{item['id']}.png", self.codec.group_size)
