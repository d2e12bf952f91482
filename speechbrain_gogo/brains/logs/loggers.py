"""Loggers of a recipe: a text file, and optionally others.

They use SpeechBrain's loggers, which are in running.py with the update as their
step. TensorBoard's takes numbers only, so the Brains log numbers, and only the
text file has a report of clips in words.
"""

from pathlib import Path

from speechbrain.utils.distributed import MainProcessContext
from speechbrain.utils.train_logger import FileTrainLogger

from speechbrain_gogo.brains.logs.running import (
    RunningTensorboard,
    RunningWandB,
)


class RecipeLogger(FileTrainLogger):
    r"""SpeechBrain's text log, optionally with TensorBoard or Weights & Biases.

    The text file gets what SpeechBrain's would get: the figures of validations.
    The others get every row of progress.jsonl, audio and pictures, at the number
    of the update. A resumed training continues the same curves.

    Arguments
    ---------
    save_file : str | Path
        The text file, in the output folder of a recipe.
    also : sequence of str
        "tensorboard" writes to the folder tensorboard beside the file;
        "wandb" starts a run of the project speechbrain_gogo, named as the
        output folder (its environment variables change that), in the folder
        wandb.
    wandb_mode : str
        "offline" writes files only, which ``wandb sync`` sends later; "online"
        sends them at once.

    Raises
    ------
    ValueError
        If there is no such logger, or its package is missing.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train_log.txt"
    >>> logger = RecipeLogger(path)
    >>> logger.log_stats({"epoch": 1}, valid_stats={"loss": 2.5})
    >>> path.read_text()
    'epoch: 1 - valid loss: 2.50\n'
    """

    def __init__(self, save_file, also=(), wandb_mode="offline"):
        super().__init__(str(save_file))
        folder = Path(save_file).absolute().parent
        board = str(folder / "tensorboard")
        makers = {
            "tensorboard": lambda: RunningTensorboard(board),
            "wandb": lambda: RunningWandB(folder, wandb_mode),
        }
        unknown = set(also) - set(makers)
        if unknown:
            raise ValueError(
                f"loggers: there is no {sorted(unknown)}, but {list(makers)}."
            )
        self.step = 0
        self.others = []
        for name in also:
            try:
                self.others.append(makers[name]())
            except ImportError as error:
                raise ValueError(
                    f"The logger {name} needs its package ({error}): pip "
                    f"install {name}, or leave it out of loggers."
                ) from error

    def resume(self, step):
        """Set the update after which a training resumes; all ranks call it."""
        self.step = step
        for logger in self.others:
            logger.resume(step)

    def log_stats(
        self, stats_meta, train_stats=None, valid_stats=None, test_stats=None
    ):
        """See SpeechBrain's ``TrainLogger.log_stats``; all ranks call it.

        Figures of training and validation are for the text file: other loggers
        have got them by :meth:`log_row`.
        """
        super().log_stats(stats_meta, train_stats, valid_stats, test_stats)
        self.step = stats_meta.get("updates", self.step)
        for logger in self.others:
            logger.log_at(self.step, stats_meta, test_stats=test_stats)

    def log_row(self, step, stage, values):
        """Tell the other loggers a row of progress.jsonl; on the main process.

        The stage is "train" or "valid", or one of them with what the row is of,
        as "valid, oracle".
        """
        self.step = step
        stage, _, of = stage.partition(", ")
        if of:
            values = {f"{of} {name}": number for name, number in values.items()}
        with MainProcessContext():  # or the host's loggers call the other ranks
            for logger in self.others:
                logger.log_at(step, {}, **{f"{stage}_stats": values})

    def log_samples(self, step, folder, group="samples"):
        """Show the other loggers a folder of samples; on the main process.

        Audio (wav, flac) and pictures (png), named after their group. The
        folder may be missing.
        """
        if not self.others or not folder.is_dir():
            return
        audio, images = {}, {}
        for path in sorted(folder.iterdir()):
            kind = images if path.suffix == ".png" else audio
            if path.suffix in (".png", ".wav", ".flac"):
                kind[f"{group}/{path.stem}"] = path
        with MainProcessContext():
            for logger in self.others:
                logger.show_at(step, audio, images)


def log_report(train_logger, name, report):
    r"""Log the numbers of used and skipped clips of a data set.

    A text file gets a sentence, other loggers get numbers.

    Example
    -------
    >>> from speechbrain_gogo.dataio.report import ClipReport
    >>> path = getfixture("tmp_path") / "train_log.txt"
    >>> report = ClipReport({"used": 3, "too short": 1})
    >>> log_report(RecipeLogger(path), "training data", report)
    >>> path.read_text()
    'training data: read 4 clips = used 3 + skipped 1 (too short: 1)\n'
    """
    numbers = {f"{name} read": report.read, f"{name} used": report.used}
    for reason, count in report.skipped.items():
        numbers[f"{name} skipped ({reason})"] = count
    if not isinstance(train_logger, FileTrainLogger):
        train_logger.log_stats(numbers)
        return
    FileTrainLogger.log_stats(train_logger, {name: str(report)})
    for logger in getattr(train_logger, "others", []):
        logger.log_at(train_logger.step, numbers)
