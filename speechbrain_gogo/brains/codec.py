"""The Brain that trains Gogo (Sections 3.1 and 4.1, Appendix D).

Updates and schedule are in the base class. This file adds the moving average of
the weights, which is validated and exported, and the curves, mel pictures and
audio of the validation.
"""

from collections import Counter

import speechbrain as sb
import torch

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.logs.code_usage import CodeUsage
from speechbrain_gogo.brains.training.start_weights import with_parts
from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.dataio.ranks import sum_over_ranks
from speechbrain_gogo.lobes.gogo.training.component_start import (
    start_as_components,
)
from speechbrain_gogo.lobes.gogo.training.warmup import RegressionWarmup
from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.tokens.granular import keep_prefix
from speechbrain_gogo.metrics.reports.pictures import plot_mels


class CodecBrain(TrainingBrain):
    """Trains a :class:`~speechbrain_gogo.lobes.gogo.objective.GogoObjective`.

    ``modules`` has the objective only: a distributed wrapper calls its forward.
    The recipe's YAML gives ``codec``, ``ema``, ``budget``, ``vocoder``,
    ``valid_keeps``, ``sample_clips``, ``log_interval``, ``seed`` and
    ``output_folder``.
    """

    splits_validation = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.hparams.ema.to(self.device)
        self.hparams.vocoder.to(self.device)
        # Sums over batches: of this update, since the last row of the log, and
        # of a validation.
        self.update_sums, self.recent = Counter(), Counter()
        self.valid_sums = Counter()
        self.frozen = []  # modules
        codec = self.hparams.codec
        self.usage = CodeUsage(codec.num_codebooks, codec.vocab_size)

    @torch.no_grad()
    def start_as_components(self, clips):
        """Initialize with the principal components of the clips' groups.

        All ranks get the same weights if they have the same clips.

        Arguments
        ---------
        clips : iterable of dict
            Clips with "sig" [T], see :func:`usable_clips`.
        """
        codec = self.hparams.codec
        groups = [
            codec.group(clip["sig"].to(self.device).unsqueeze(0))[0][0]
            for clip in clips
        ]
        start_as_components(codec, torch.cat(groups))  # [M, g, d]
        self.start_from(codec)

    def start_from(self, codec, parts=None):
        """Start from the weights of another codec of the same sizes.

        Arguments
        ---------
        codec : Gogo
            Trained or initialized codec.
        parts : list
            Modules and parameters to take from it: a name, or {name here: name
            there}. The others keep their initial weights and may be of other
            classes. None takes all.

        Raises
        ------
        ValueError
            If it normalizes the mel differently (its weights expect another
            input), or has no such part or parts of other sizes.
        """
        own, other = self.hparams.codec.mel_signature, codec.mel_signature
        if own != other:
            raise ValueError(
                f"start_from: that codec's mel has the numbers {other}, this "
                f"one's {own}. Give its mel_mean, mel_std, mel_floor and "
                "mel_power with --model '{codec: {...}}'."
            )
        state = codec.state_dict()
        for started in (self.hparams.codec, self.hparams.ema.module):
            try:
                started.load_state_dict(with_parts(started, state, parts))
            except RuntimeError as error:
                raise ValueError(
                    f"start_from: that codec has other sizes. {error}\nGive "
                    "its numbers with --model, or take only parts of it that "
                    "fit (start_parts)."
                ) from None

    def freeze(self, parts):
        """Freeze parts of the codec.

        With encoder and quantizer frozen, tokens keep their meaning: tokenised
        corpora and models trained on them stay valid.

        Arguments
        ---------
        parts : list of str
            Names of the codec's modules: "encoder", "quantizer", "flow".

        Raises
        ------
        ValueError
            If the codec has no such module.
        """
        modules = dict(self.hparams.codec.named_children())
        unknown = sorted(set(parts) - set(modules))
        if unknown:
            raise ValueError(
                f"frozen: the codec has no {', '.join(unknown)}; it has "
                f"{', '.join(modules)}."
            )
        self.frozen = [modules[name].requires_grad_(False) for name in parts]

    # One update

    def compute_forward(self, batch, stage):
        """All losses of a batch, on the training or the averaged weights.

        Arguments
        ---------
        batch : PaddedBatch
            With ``sig`` and, for an objective with an ASR head, ``text``.
        stage : sb.Stage
            Training, or validation.

        Returns
        -------
        dict
            "loss" and its parts, scalars; in training also "tokens", int64 [M, K].
        """
        batch = batch.to(self.device, non_blocking=True)
        wavs, lens = batch.sig
        if stage != sb.Stage.TRAIN:
            return self.validation_losses(wavs, lens)
        text = getattr(batch, "text", (None, None))
        for module in self.frozen:  # also their statistics and codebooks
            module.eval()
        self.update_warmup()
        return self.modules.objective(
            wavs, lens, *text, generator=self.generator()
        )

    def compute_objectives(self, predictions, batch, stage):
        """Eq. 4 in training; in validation, the mel error at the last keep."""
        return predictions["loss"]

    def update_warmup(self):
        """Set ``warming_up`` of an objective with a warm-up, and return it."""
        objective = self.modules.objective
        objective = getattr(objective, "module", objective)  # of DDP
        if not isinstance(objective, RegressionWarmup):
            return False
        progress = self.hparams.budget.progress(self.optimizer_step)
        objective.warming_up = progress < objective.share
        return objective.warming_up

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Average the weights, write the log.

        Sums stay on their device until they are logged, and cover whole updates
        of any number of batches.
        """
        for name, value in outputs.items():
            if name != "tokens":
                self.update_sums[name] += value.detach().double()
        self.update_sums["count"] += 1
        if self.update_finite:  # NaN features have ids beyond all codes
            self.usage.add(outputs["tokens"])
        if not should_step:
            return
        sums, self.update_sums = self.update_sums, Counter()
        if not self.update_finite:
            self.usage.drop_update()
            return
        self.hparams.ema.update_parameters(self.hparams.codec)
        self.recent.update(sums)
        self.usage.end_update()
        # The first row has the losses at the start.
        every = self.hparams.log_interval
        if self.optimizer_step % every == 0 or self.optimizer_step == 1:
            count = self.recent.pop("count")
            row = {k: float(v) / count for k, v in self.recent.items()}
            row |= self.usage.read(self.optimizer_step)
            self.write_log("train", **row)
            self.recent.clear()

    # Validation

    def validation_losses(self, wavs, lens):
        """Flow loss and error of the sampled mel for the ``valid_keeps``.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms, [B, T].
        lens : torch.Tensor
            Relative lengths, [B].

        Returns
        -------
        dict
            "loss", a scalar: the mel error at the last keep.
        """
        codec = self.hparams.ema.module
        groups, lens = codec.group(wavs, lens)
        q, _, _ = codec.quantize_batch(groups, lens)
        mel = groups.flatten(1, 2)
        frames = length_mask(lens, mel.shape[1])
        losses = {}
        for keep in self.hparams.valid_keeps:
            condition = codec.align(keep_prefix(q, keep, codec.mask))
            same = torch.Generator().manual_seed(self.hparams.seed)
            losses[f"cfm keep {keep}"] = codec.flow(
                mel, condition, lens, generator=same
            )
            same.manual_seed(self.hparams.seed)
            noise = torch.randn(mel.shape, generator=same).to(mel)
            if self.warming_up:  # a single step from zeros is trained so far
                drawn = codec.flow.sample(condition, lens, 0 * noise, 1, 0.0)
            else:
                drawn = codec.flow.sample(condition, lens, noise)
            error = codec.log_mel(drawn) - codec.log_mel(mel)
            error = error.abs().mean(-1)[frames].mean()
            losses[f"mel error keep {keep}"] = error
        for name, value in losses.items():
            self.valid_sums[name] += float(value) * len(wavs)
        self.valid_sums["count"] += len(wavs)
        return {
            "loss": losses[f"mel error keep {self.hparams.valid_keeps[-1]}"]
        }

    def on_stage_start(self, stage, epoch=None):
        """Start the averages of a validation."""
        self.valid_sums.clear()
        # On every rank, although only the main one draws samples.
        self.warming_up = self.update_warmup()
        self.hparams.ema.module.eval()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, plot, save a checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        sums = sum_over_ranks(self.valid_sums)
        count = sums.pop("count")
        stats = {k: v / count for k, v in sums.items()}
        self.write_log("valid", **stats)
        self.log_validation(epoch, {"loss": self.train_loss}, stats)
        error = stats[f"mel error keep {self.hparams.valid_keeps[-1]}"]
        self.save_validated({"mel_error": error}, min_keys=["mel_error"])

    @torch.no_grad()
    def draw_samples(self, folder):
        """Mel pictures and audio of the first validation clips."""
        codec = self.hparams.ema.module
        for item in self.hparams.sample_clips:
            name = file_name(item["id"])
            wav = item["sig"].to(self.device).unsqueeze(0)
            self.write_original(name, wav)
            tokens, _ = codec.encode(wav)
            groups, _ = codec.group(wav)
            mel = codec.log_mel(groups.flatten(1, 2))
            mels = {"original": mel[0].cpu()}
            for keep in self.hparams.valid_keeps:
                kept = keep_prefix(tokens, keep, codec.mask_id)
                noise = torch.Generator().manual_seed(self.hparams.seed)
                noise = torch.randn(mel.shape, generator=noise).to(mel)
                if self.warming_up:
                    drawn = codec.decode_mel(kept, None, 0 * noise, 1, 0.0)
                else:
                    drawn = codec.decode_mel(kept, noise=noise)
                mels[f"keep {keep}"] = drawn[0].float().cpu()
                audio = self.hparams.vocoder(drawn)[:, : wav.shape[1]]
                self.write_audio(folder / f"{name}_keep{keep}.wav", audio)
            rate = codec.sample_rate / codec.mel.hop_length
            plot_mels(mels, folder / f"{name}.png", codec.group_size, rate)
