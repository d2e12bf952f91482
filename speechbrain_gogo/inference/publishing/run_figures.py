"""Figures of a training from its output folder, for the model card.

Settings that contain paths are not read: a card is public.
"""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

LOG = "progress.jsonl"
SENTENCES = "training data: ", "validation data: "


class Run(NamedTuple):
    """What the output folder records about a training.

    updates: their number in the last line of the log; figures: figure of the last
    validation -> value; clips: numbers of training and validation clips used and
    skipped, list of str; curves: Path of the plot of all figures, or None.
    """

    updates: int
    figures: dict
    clips: list
    curves: Path | None


def read_run(folder):
    """Read a recipe's output folder; None if it has no training log.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> row = '{"step": 20, "stage": "valid", "mel error keep 10": 0.512}'
    >>> _ = (folder / "progress.jsonl").write_text(row)
    >>> read_run(folder).figures
    {'mel error keep 10': 0.512}
    """
    folder = Path(folder)
    if not (folder / LOG).is_file():
        return None
    rows = []
    for line in (folder / LOG).read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # the last may be cut
            rows.append(json.loads(line))
    validations = [row for row in rows if row["stage"] == "valid"]
    last = dict(validations[-1]) if validations else {}
    figures = {k: v for k, v in last.items() if k not in ("step", "stage")}
    log, clips = folder / "train_log.txt", {}
    if log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines():
            if line.startswith(SENTENCES):  # a resumed run has several
                clips[line.partition(":")[0]] = line
    curves = folder / "curves.png"
    return Run(
        max((row["step"] for row in rows), default=0),
        figures,
        list(clips.values()),
        curves if curves.is_file() else None,
    )
