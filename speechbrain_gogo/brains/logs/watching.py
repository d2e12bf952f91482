"""Logs, curves and samples of a training, the same for all Brains.

progress.jsonl has a row of numbers per interval, curves.png draws them, samples/
has audio and pictures of the same few clips after each validation; the loggers of
the YAML get all of these. A subclass defines the figures and the samples.
"""

import json
import logging
import os
import time
from pathlib import Path

from speechbrain.dataio import audio_io
from speechbrain.utils.distributed import if_main_process

from speechbrain_gogo.brains.checkpoints import num_processes
from speechbrain_gogo.brains.logs.counting import CountingBrain
from speechbrain_gogo.brains.logs.loggers import RecipeLogger
from speechbrain_gogo.brains.logs.throughput import Throughput
from speechbrain_gogo.brains.plots import plot_curves

logger = logging.getLogger(__name__)

ANNOUNCED_EVERY = 60  # seconds, the time that is left


class WatchedBrain(CountingBrain):
    """A Brain that logs its training and draws samples.

    The recipe's YAML gives ``output_folder``, ``budget`` and ``train_logger``.
    """

    shown_before = False  # originals are shown once

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.log_path = Path(self.hparams.output_folder) / "progress.jsonl"
        self.throughput = Throughput(num_processes())
        self.announced = time.monotonic()

    @property
    def recipe_logger(self):
        """The RecipeLogger, or None if the YAML has a logger of another kind."""
        found = getattr(self.hparams, "train_logger", None)
        return found if isinstance(found, RecipeLogger) else None

    def on_fit_start(self):
        """Load the last checkpoint; loggers continue from it."""
        super().on_fit_start()
        if self.recipe_logger:
            self.recipe_logger.resume(self.optimizer_step)

    # Numbers

    def receive(self, batch):
        """Record a batch of training, before it is used."""
        self.throughput.add(batch, self.sample_rate)
        super().receive(batch)

    @property
    def sample_rate(self):
        """Sample rate of batches of audio in Hz; None if there are none."""
        codec = getattr(self.hparams, "codec", None)
        known = getattr(codec, "sample_rate", None)
        return getattr(self.hparams, "sample_rate", known)

    def _fit_valid(self, valid_set, epoch, enable):
        self.throughput.pause()
        super()._fit_valid(valid_set, epoch, enable)
        self.throughput.resume()

    def write_log(self, stage, **values):
        """Append a row of figures to the JSON-lines log, and tell other loggers.

        The stage is the row's name, such as "train" or "valid". A row of "train"
        also gets the learning rate, the norm of the gradient of the last update
        before clipping, and the throughput.
        """
        if not if_main_process():
            return
        if stage == "train":
            values = {**values, **self.update_figures()}
            self.announce_time_left()
        row = {"step": self.optimizer_step, "stage": stage, **values}
        line = json.dumps(row) + "\n"
        with open(self.log_path, "ab+") as log:
            if log.tell():
                log.seek(-1, os.SEEK_END)
                if log.read(1) != b"\n":  # a kill cut the last one off
                    line = "\n" + line
            log.write(line.encode())
        if self.recipe_logger:
            self.recipe_logger.log_row(self.optimizer_step, stage, values)

    def log_validation(self, epoch, train_stats, valid_stats):
        """Log a validation, and show it; all ranks have to call it.

        Figures by name are of the training since the last validation, and of this
        one; the epoch is the one that has ended.
        """
        self.hparams.train_logger.log_stats(
            {
                "epoch": epoch,
                "updates": self.optimizer_step,
                **self.clip_stats(),
            },
            train_stats=train_stats,
            valid_stats=valid_stats,
        )
        self.show()

    def update_figures(self):
        """Figures of the updates, of every training."""
        found = {"learning rate": self.optimizer.param_groups[0]["lr"]}
        if self.gradient_norm is not None:
            found["gradient norm"] = float(self.gradient_norm)
        return found | self.throughput.read()

    def announce_time_left(self):
        """Log how far the training is, at most once a minute."""
        budget, now = self.hparams.budget, time.monotonic()
        minutes = budget.minutes_left(self.optimizer_step)
        if minutes is None or now < self.announced + ANNOUNCED_EVERY:
            return
        self.announced = now
        logger.info(
            "Update %d: %.1f %% of the training, %d:%02d hours left.",
            self.optimizer_step,
            100 * budget.share(self.optimizer_step),
            *divmod(round(minutes), 60),
        )

    # Pictures and samples

    @property
    def samples_folder(self):
        """Folder of ``original``, and of a folder for each validation."""
        return Path(self.hparams.output_folder) / "samples"

    def show(self):
        """Draw curves and samples after a validation, on the main process."""
        if not if_main_process():
            return
        plot_curves(self.log_path, self.log_path.with_name("curves.png"))
        now = self.samples_folder / f"{self.optimizer_step}"
        self.draw_samples(now)
        if self.recipe_logger:
            original = self.samples_folder / "original"
            groups = {} if self.shown_before else {"original": original}
            for group, folder in {**groups, "samples": now}.items():
                self.recipe_logger.log_samples(
                    self.optimizer_step, folder, group
                )
            self.shown_before = True

    def draw_samples(self, folder):
        """Write audio and pictures of a few validation clips, if there are any.

        The folder is that of this validation, and need not exist. The same clip
        has the same name each time.
        """

    def write_original(self, name, wav):
        """Write the audio of a clip, [1, T], as ``<name>.wav`` unless it is there."""
        path = self.samples_folder / "original" / f"{name}.wav"
        if not path.is_file():
            self.write_audio(path, wav)

    def write_audio(self, path, wav):
        """Write audio [1, T] of the training's sample rate, clipped to [-1, 1].

        Folders of the path are created if needed.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        wav = wav.detach().float().clamp(-1, 1).cpu()
        audio_io.save(str(path), wav, self.sample_rate)
