"""Loggers of a recipe: a text file, and optionally others.

They use SpeechBrain's loggers. TensorBoard's takes numbers only, so the Brains
log numbers, and only the text file has a report of clips in words.
"""

from pathlib import Path

from speechbrain.utils.train_logger import (
    FileTrainLogger,
    TensorboardLogger,
    TrainLogger,
    WandBLogger,
)

PROJECT = "speechbrain_gogo"


class RecipeLogger(FileTrainLogger):
    r"""SpeechBrain's text log, optionally with TensorBoard or Weights & Biases.

    Arguments
    ---------
    save_file : str | Path
        The text file, in the output folder of a recipe.
    also : sequence of str
        "tensorboard" writes to the folder tensorboard beside the file;
        "wandb" starts a run of the project speechbrain_gogo, named as the
        output folder (its environment variables change that).
    precision : int
        Precision of the text file: decimal places.

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

    def __init__(self, save_file, also=(), precision=2):
        super().__init__(str(save_file), precision)
        folder = Path(save_file).absolute().parent
        makers = {"tensorboard": _open_tensorboard, "wandb": _open_wandb}
        unknown = set(also) - set(makers)
        if unknown:
            raise ValueError(
                f"loggers: there is no {sorted(unknown)}, but {list(makers)}."
            )
        self.others = []
        for name in also:
            try:
                self.others.append(makers[name](folder))
            except ImportError as error:
                raise ValueError(
                    f"The logger {name} needs its package ({error}): pip "
                    f"install {name}, or leave it out of loggers."
                ) from error

    def log_stats(
        self, stats_meta, train_stats=None, valid_stats=None, test_stats=None
    ):
        """See SpeechBrain's ``TrainLogger.log_stats``; all ranks call it."""
        parts = train_stats, valid_stats, test_stats
        super().log_stats(stats_meta, *parts)
        for logger in self.others:
            logger.log_stats(stats_meta, *parts)


def log_report(train_logger, name, report):
    r"""Log the numbers of used and skipped clips of a data set.

    Arguments
    ---------
    train_logger : TrainLogger
        A text file gets a sentence, other loggers get numbers.
    name : str
        Name of the data.
    report : ClipReport
        Report of its clips.

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
    others = [train_logger]
    if isinstance(train_logger, FileTrainLogger):
        FileTrainLogger.log_stats(train_logger, {name: str(report)})
        others = getattr(train_logger, "others", [])
    for logger in others:
        logger.log_stats(numbers)


def _open_tensorboard(folder):
    return TensorboardLogger(str(folder / "tensorboard"))


def _open_wandb(folder):
    from wandb import init

    folder.mkdir(parents=True, exist_ok=True)

    return _Run(
        WandBLogger(init, project=PROJECT, name=folder.name, dir=str(folder))
    )


class _Run(TrainLogger):
    """SpeechBrain's Weights & Biases logger, with its own step count.

    SpeechBrain uses epochs as steps, and statistics of earlier steps are
    dropped: a recipe may train several models with epochs from 1.
    """

    def __init__(self, logger):
        self.logger = logger

    def log_stats(self, stats_meta, *parts):
        """See SpeechBrain's ``TrainLogger.log_stats``."""
        named = {
            "epochs" if k == "epoch" else k: stats_meta[k] for k in stats_meta
        }
        self.logger.log_stats(named, *parts)
