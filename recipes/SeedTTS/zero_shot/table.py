"""Writes Table 3 as Markdown, its columns as a picture, and a few samples.

A system may lack a figure: recordings have no speed.
"""

import math
import shutil
from pathlib import Path

import matplotlib
from folders import RECORDED, folder_name
from synthesis import FINISHED

from recipes.common.evaluation.report import (
    align,
    compare_ground_truth,
    list_notes,
)

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def write_reports(summary, systems, notes, tasks, judges, hparams):
    """Write table.md and figures.png.

    Arguments
    ---------
    summary : dict
        (system, figure) -> (value, low, high).
    systems : list of str
        Rows of the table.
    notes : list of str
        Notes below the table.
    tasks : list of Task
        The evaluated tasks.
    judges : list
        Metrics.
    hparams : dict
        The YAML's settings.
    """
    folder, path = Path(hparams["output_folder"]), Path(hparams["meta_list"])
    prompts = len({task.prompt_wav for task in tasks})
    notes = [
        f"{len(tasks)} tasks with {prompts} prompts of {path.name}; 95 % "
        "bootstrap intervals over utterances in brackets.",
        f"Speech: {hparams['source']}, seed {hparams['seed']}, sampling "
        f"{hparams['sampling'] or 'as the model has it'}.",
        *(f"Judge: {judge.judge}." for judge in judges),
        "Speakers are compared with the prompt.",
        *notes,
    ]
    # In the order of the figures; the share of finished utterances is last.
    columns = list(dict.fromkeys(figure for _, figure in summary))
    columns.append(columns.pop(columns.index(FINISHED.label)))
    rows = [
        {"system": system}
        | {c: write_cell(summary.get((system, c))) for c in columns}
        for system in systems
    ]
    text = align(rows) + list_notes(notes)
    if hparams["published"]:
        published = hparams["published"]
        text += "\n## As published\n\n" + align(published)
        text += list_notes(compare_recordings(summary, published, hparams))
    (folder / "table.md").write_text(text, "utf-8")
    print(text)
    plot_figures(folder / "figures.png", summary, systems, columns)


def compare_recordings(summary, published, hparams):
    """Compare the judges' figures of recordings with those of the paper."""
    here = {
        figure: value
        for (label, figure), (value, *_) in summary.items()
        if label == RECORDED and figure in published[0]
    }
    if not here:
        return [
            "There are no recordings to compare with the paper's ground truth."
        ]
    tolerance = hparams["ground_truth_tolerance"]
    return compare_ground_truth(here, published[0], tolerance)


def write_cell(interval):
    """A value with its interval, if it has one.

    Example
    -------
    >>> write_cell((36.04, 35.5, 36.5)), write_cell((0.5, 0.5, 0.5))
    ('36.04 (35.50-36.50)', '0.500')
    >>> write_cell(None)
    '-'
    """
    if interval is None or math.isnan(interval[0]):
        return "-"
    digits = 2 if abs(interval[0]) >= 10 else 3
    value, low, high = (f"{x:.{digits}f}" for x in interval)
    return value if low == high else f"{value} ({low}-{high})"


def plot_figures(path, summary, systems, columns):
    """Draw each figure, a point with its interval per system.

    Arguments
    ---------
    path : str | Path
        The picture to write.
    summary, systems
        As in :func:`write_reports`.
    columns : list of str
        The figures.
    """
    width = min(len(columns), 4)
    height = -(-len(columns) // width)
    _, axes = plt.subplots(
        height,
        width,
        figsize=(3 * width + 2, (0.35 * len(systems) + 1) * height),
        squeeze=False,
        sharey=True,
    )
    places = {system: -row for row, system in enumerate(systems)}
    for axis, column in zip(axes.flat, columns):
        for system in systems:
            if (system, column) not in summary:
                continue
            value, low, high = summary[system, column]
            axis.plot([low, high], [places[system]] * 2, color="gray")
            axis.plot(value, places[system], "o", color="tab:blue")
        axis.set(title=column, ylim=(-len(systems) + 0.5, 0.5))
        axis.set_yticks(list(places.values()), list(places))
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(columns) :]:
        axis.remove()
    plt.tight_layout()
    plt.savefig(path, dpi=120)
    plt.close()


def write_samples(tasks, systems, folder):
    """Copy prompts and speech of a few tasks into one folder per task."""
    for task in tasks:
        place = folder / task.name
        place.mkdir(parents=True, exist_ok=True)
        (place / "text.txt").write_text(task.text + "\n", "utf-8")
        heard = {"prompt": task.prompt_wav}
        for label, files in systems.items():
            heard[folder_name(label)] = files[task.name]
        for name, file in heard.items():
            shutil.copyfile(file, place / f"{name}{file.suffix}")
