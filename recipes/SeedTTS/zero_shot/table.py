"""Writes Table 3 as Markdown, its columns as a picture, and a few samples.

A system may lack a figure: recordings have no speed.
"""

import shutil
from pathlib import Path

from folders import RECORDED, folder_name
from synthesis import FINISHED

from recipes.common.evaluation.plots import plot_figures, write_cell
from recipes.common.evaluation.report import (
    align,
    compare_ground_truth,
    list_notes,
)


def write_reports(summary, systems, notes, tasks, judges, hparams):
    """Write table.md and figures.png.

    ``summary`` maps (system, figure) to (value, low, high); systems are the
    rows of the table, notes stand below it.
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
