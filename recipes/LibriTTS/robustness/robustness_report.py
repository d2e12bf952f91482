"""Tables and pictures of a robustness evaluation, level by level."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Picture

from recipes.common.evaluation.report import (
    list_notes,
    list_unscored,
    summarize,
)
from recipes.common.evaluation.results_file import write_rows
from speechbrain_gogo.metrics.reports.tables import markdown_table
from speechbrain_gogo.metrics.speech_metric import Figure

CLEAN, CHANCE = "clean", "groups shuffled"  # labels besides the disturbances
KINDS = {
    "changed": "tokens that differ (%)",
    "edits": "edit distance (%)",
    "distance": "distance of vectors (% of unrelated groups')",
}
GAP = Figure("coarse less fine (points)", "coarse less fine", scale=100)


def level_figures(level):
    """The figures of a level: kind -> Figure."""
    return {
        kind: Figure(
            f"level {level}: {label}",
            f"{kind} {level}",
            None if kind == "distance" else f"tokens {level}",
            100,
        )
        for kind, label in KINDS.items()
    }


def write_reports(folder, measured, levels, judges, utterances, hparams):
    """Write table.md, and pictures with their numbers beside them.

    ``measured`` maps labels to lists of results, one for each clip. Levels are
    from coarse to fine.
    """
    seed = hparams["bootstrap_seed"]
    figures = {level: level_figures(level) for level in levels}
    flat = [f for own in figures.values() for f in own.values()]
    heard = [figure for judge in judges for figure in judge.figures]
    summary = summarize(measured, [*flat, GAP, *heard], seed)
    for place, (level, own) in enumerate(figures.items(), start=1):
        draw_points(
            folder / f"level_{place}",
            f"level {level} of {len(levels)}, coarse to fine",
            {KINDS[kind]: figure.label for kind, figure in own.items()},
            [label for label in measured if label != CLEAN],
            summary,
        )
    draw_overview(folder / "overview", list(measured), levels, summary)
    for place, figure in enumerate(heard, start=1):
        told = [k for k in measured if np.isfinite(summary[k, figure.label][0])]
        path = folder / f"decoded_{place}"
        draw_points(path, figure.label, {"": figure.label}, told, summary)
    minutes = sum(row["duration"] for row in utterances.values()) / 60
    notes = [
        f"{len(utterances)} clips ({minutes:.1f} minutes) of "
        f"{Path(hparams['test_csv']).name}; 95 % bootstrap intervals over "
        "clips in brackets.",
        f"Coarse less fine: share of tokens that differ at the "
        f"{hparams['coarse']} coarsest levels minus that at as many finest "
        "levels; negative where coarse tokens are more robust.",
        *(f"Judge of decoded speech: {judge.judge}." for judge in judges),
        *list_unscored(measured),
    ]
    text = draw_table(list(measured), levels, heard, summary)
    text += "\n" + draw_distances(list(measured), levels, summary)
    text += list_notes(notes)
    (folder / "table.md").write_text(text, encoding="utf-8")
    print(text)


def draw_table(labels, levels, heard, summary):
    """Table of the tokens that differ, a line for each disturbance, in Markdown."""
    first = [level_figures(level)["changed"].label for level in levels]
    head = ["", *(f"level {level}" for level in levels), GAP.label]
    lines = []
    for label in labels:
        cells = [f"{summary[label, name][0]:.1f}" for name in first]
        for figure in (GAP, *heard):
            digits = 1 if figure.scale == 100 else 3
            ends = [f"{x:.{digits}f}" for x in summary[label, figure.label]]
            cells.append(f"{ends[0]} ({ends[1]} to {ends[2]})")
        lines.append(
            [label, *(c.replace("nan (nan to nan)", "-") for c in cells)]
        )
    head += [figure.label for figure in heard]
    title = "Tokens that differ from those of the clean clip (%)"
    return f"{title}\n\n" + markdown_table(head, lines)


def draw_distances(labels, levels, summary):
    """Table of the distances of vectors from the clean ones, in Markdown."""
    names = [level_figures(level)["distance"].label for level in levels]
    lines = [
        [label, *(f"{summary[label, name][0]:.0f}" for name in names)]
        for label in labels
    ]
    head = ["", *(f"level {level}" for level in levels)]
    title = "Squared distance of their vectors (% of that of unrelated groups)"
    return f"{title}\n\n" + markdown_table(head, lines)


def draw_points(path, title, series, labels, summary):
    """Draw figures with their intervals, a line for each label.

    ``series`` maps names to labels of figures. The path has no suffix: a PNG
    and a CSV are written.
    """
    picture = Picture(figsize=(6.5, 0.26 * len(labels) + 1.4))
    axis = picture.subplots()
    rows = []
    for number, (name, column) in enumerate(series.items()):
        ends = np.array([summary[label, column] for label in labels])  # [L, 3]
        place = np.arange(len(labels)) + 0.2 * number
        spread = np.abs(ends[:, 1:] - ends[:, :1]).T  # [2, L]
        axis.errorbar(ends[:, 0], place, xerr=spread, fmt="o", ms=4, label=name)
        rows += [
            {
                "disturbance": label,
                "figure": column,
                "value": f"{value:.6g}",
                "low": f"{low:.6g}",
                "high": f"{high:.6g}",
            }
            for label, (value, low, high) in zip(labels, ends)
        ]
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.invert_yaxis()
    axis.set_title(title, fontsize=10)
    axis.grid(alpha=0.3)
    axis.margins(y=0.02)
    if len(series) > 1:
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.05))
    save(picture, path)
    write_rows(path.with_suffix(".csv"), rows)


def draw_overview(path, labels, levels, summary):
    """Draw the shares of tokens that differ as colours: disturbances by levels."""
    columns = [level_figures(level)["changed"].label for level in levels]
    values = np.array(
        [[summary[label, name][0] for name in columns] for label in labels]
    )  # [L, levels]
    size = 0.55 * len(levels) + 3, 0.26 * len(labels) + 1.6
    picture = Picture(figsize=size)
    axis = picture.subplots()
    image = axis.imshow(values, aspect="auto", vmin=0, vmax=100)
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.set_xticks(range(len(levels)), levels)
    axis.set_xlabel("level, coarse to fine")
    picture.colorbar(image, label=KINDS["changed"])
    save(picture, path)
    rows = [
        {"disturbance": label, **dict(zip(levels, map("{:.6g}".format, row)))}
        for label, row in zip(labels, values)
    ]
    write_rows(path.with_suffix(".csv"), rows)


def save(picture, path):
    """Write a picture as PNG."""
    picture.tight_layout()
    picture.savefig(path.with_suffix(".png"), dpi=110)
