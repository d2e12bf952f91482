"""SpeechBrain's TensorBoard and Weights & Biases loggers, by updates.

SpeechBrain's count calls or epochs from 1 in each process, so a resumed training
would begin again at the left. Here the step is the number of the update. Their
packages are imported when a logger is made.
"""

import os
import secrets

import soundfile
import torch
from matplotlib.image import imread
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.train_logger import TensorboardLogger, WandBLogger

PROJECT = "speechbrain_gogo"
STAGES = "train", "valid", "test"


class RunningTensorboard(TensorboardLogger):
    """TensorBoard, with the update as the step, in a folder of event files.

    Rows after the checkpoint from which a killed training resumes are replaced
    by its new ones.
    """

    def resume(self, step):
        """Resume the training after an update; on all ranks."""
        if self.writer is not None:
            # Its next file begins with the step from which rows are replaced.
            self.writer.close()
            self.writer.purge_step = step + 1

    def log_at(self, step, stats_meta, **stats):
        """``log_stats`` with the update as the step of all its figures."""
        # The host adds 1 to each.
        self.global_step = {
            stage: dict.fromkeys(stats.get(f"{stage}_stats") or (), step - 1)
            for stage in STAGES
        }
        self.global_step["meta"] = step - 1
        self.log_stats(stats_meta, **stats)

    def show_at(self, step, audio, images):
        """Add audio and pictures (name to file), on the main process."""
        self.global_step["meta"] = step
        for name, path in audio.items():
            wav, rate = soundfile.read(path, dtype="float32")
            self.log_audio(name, torch.from_numpy(wav), rate)
        for name, path in images.items():
            pixels = imread(path)[..., :3]  # [H, W, RGB]
            self.writer.add_image(name, pixels, step, dataformats="HWC")


class RunningWandB(WandBLogger):
    """Weights & Biases, with the update as the horizontal axis.

    The output folder of the training stores the run with its identity, so that
    a resumed training continues it. Its name is the run's, unless the environment
    variable WANDB_NAME has another; WANDB_PROJECT likewise has another project
    than PROJECT. The mode is "offline" or "online".
    """

    def __init__(self, folder, mode="offline"):
        import wandb

        self.audio, self.image = wandb.Audio, wandb.Image
        # Not by SpeechBrain's, which hides why a run cannot start.
        self.run = None
        if not if_main_process():
            return
        identity = folder / "wandb" / "run_id.txt"
        if not identity.is_file():
            identity.parent.mkdir(parents=True, exist_ok=True)
            identity.write_text(secrets.token_hex(4))
        self.run = wandb.init(
            # Arguments would override the environment.
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=os.environ.get("WANDB_NAME", folder.name),
            dir=str(folder),
            id=identity.read_text(),
            resume="allow" if mode == "online" else None,
            mode=mode,
        )
        self.run.define_metric("update")
        self.run.define_metric("*", step_metric="update")

    def resume(self, step):
        """Nothing to do: repeated rows are drawn at the same place."""

    def log_at(self, step, stats_meta, **stats):
        """``log_stats`` at an update."""
        # SpeechBrain takes epochs as steps, and drops statistics of earlier
        # steps: a recipe may train several models with epochs from 1.
        meta = {
            "epochs" if k == "epoch" else k: stats_meta[k] for k in stats_meta
        }
        self.log_stats({**meta, "update": step}, **stats)

    def show_at(self, step, audio, images):
        """Add audio and pictures (name to file), on the main process."""
        shown = {name: self.audio(str(path)) for name, path in audio.items()}
        for name, path in images.items():
            shown[f"{name} picture"] = self.image(str(path))
        self.log_at(step, shown)
