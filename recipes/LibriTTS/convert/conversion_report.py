"""Table, picture and their numbers of an evaluation of conversion."""

from pathlib import Path

from versions import CODED

from recipes.common.evaluation.plots import plot_figures, write_cell
from recipes.common.evaluation.report import (
    align,
    draw_differences,
    list_notes,
    list_unscored,
    summarize,
)
from speechbrain_gogo.dataio.replacing import write_csv


def write_reports(folder, measured, groups, judges, utterances, hparams):
    """Write table.md, figures.png and figures.csv.

    ``measured`` maps labels to lists of results, one for each clip, ``groups``
    conditions to their labels.
    """
    seed = hparams["bootstrap_seed"]
    figures = [figure for judge in judges for figure in judge.figures]
    summary = summarize(measured, figures, seed)
    columns = [figure.label for figure in figures]
    lines = [
        {"": label} | {c: write_cell(summary[label, c]) for c in columns}
        for label in measured
    ]
    minutes = sum(row["duration"] for row in utterances.values()) / 60
    prompts = "the same speaker" if hparams["same_speaker"] else "another one"
    notes = [
        f"{len(utterances)} clips ({minutes:.1f} minutes) of "
        f"{Path(hparams['test_csv']).name}, prompts of {prompts}; 95 % "
        "bootstrap intervals over clips in brackets.",
        f"Model: {hparams['source']}.",
        *(f"Judge: {judge.judge}." for judge in judges),
        *list_unscored(measured),
    ]
    text = align(lines) + list_notes(notes)
    for condition, labels in groups.items():
        some = {label: measured[label] for label in labels}
        reference = f"{condition}, {CODED}"
        text += draw_differences(some, reference, figures, seed)
    (folder / "table.md").write_text(text, encoding="utf-8")
    print(text)
    plot_figures(folder / "figures.png", summary, list(measured), columns)
    head = "version", "figure", "value", "low", "high"
    rows = (
        [*pair, *(f"{end:.6g}" for end in ends)]
        for pair, ends in summary.items()
    )
    write_csv(folder / "figures.csv", [head, *rows])
