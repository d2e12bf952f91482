"""Plots of a training: curves of its log.

They read the JSON-lines log of the Brains. Plots of mels are in
metrics/reports/pictures.py.
"""

import contextlib
import json
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure


def read_log(path):
    """The rows of a JSON-lines training log, sorted by step.

    A step that was repeated after a resume is included once; an incomplete last
    line is ignored.
    """
    rows = {}
    for line in Path(path).read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            row = json.loads(line)
            rows[row["step"], row["stage"]] = row
    return [rows[key] for key in sorted(rows)]


def families(names):
    """Quantities that differ in their last word only, which is a number.

    A dict, sorted by title: title to a dict of label to name, in the order of
    the numbers. Other names that start like a family belong to it.

    Example
    -------
    >>> families(["codes used 10", "codes used 2", "codes used end", "loss"])
    {'codes used': {'2': 'codes used 2', '10': 'codes used 10', \
'end': 'codes used end'}, 'loss': {'': 'loss'}}
    """
    parts = {name: name.rpartition(" ") for name in names}
    titles = {start for start, _, end in parts.values() if end.isdigit()}
    found = {}
    for name, (start, _, end) in parts.items():
        title, label = (start, end) if start in titles else (name, "")
        found.setdefault(title, {})[label] = name

    def place(label):
        return not label.isdigit(), int(label) if label.isdigit() else 0

    return {
        title: {
            label: found[title][label]
            for label in sorted(found[title], key=place)
        }
        for title in sorted(found)
    }


def plot_curves(log_path, image_path):
    """Draw every quantity of a JSON-lines log over the steps, as a PNG.

    Quantities of several levels or keeps share a picture, validations as dashed
    lines.
    """
    rows = read_log(log_path)
    pictures = families({k for r in rows for k in r} - {"step", "stage"})
    if not pictures:
        return
    columns = min(len(pictures), 3)
    lines = -(-len(pictures) // columns)
    figure = Figure(figsize=(4.5 * columns, 3 * lines))
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis, (title, names) in zip(axes.flat, pictures.items()):
        colours = colormaps["viridis"](np.linspace(0, 0.9, len(names)))
        for (label, name), colour in zip(names.items(), colours):
            own = {"color": colour} if label else {}
            draw_curves(axis, rows, name, label, own)
        if title.startswith("perplexity"):  # begins at the number of codes
            axis.set_yscale("log")
        axis.set_title(title)
        axis.set_xlabel("updates")
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small", ncols=1 + len(axis.lines) // 8)
    for axis in axes.flat[len(pictures) :]:
        axis.axis("off")
    _save(figure, image_path)


def draw_curves(axis, rows, name, label, style):
    """Draw a quantity of a log, with a curve for each stage."""
    for stage in dict.fromkeys(r["stage"] for r in rows):
        points = [
            (r["step"], r[name])
            for r in rows
            if r["stage"] == stage and name in r
        ]
        if points:
            axis.plot(
                *zip(*points),
                marker="." if len(points) < 10 else None,  # one is no line
                linestyle="--" if label and stage != "train" else "-",
                label=f"{stage} {label}".strip(),
                **style,
            )


def plot_perplexities(log_path, image_path):
    """Plot perplexity over the position in the group, with a curve per validation.

    Early curves are dark, the last one is bright. The rows of the JSON-lines
    log have "perplexity <position>".
    """
    prefix = "perplexity "
    rows = [row for row in read_log(log_path) if row["stage"] == "valid"]
    figure = Figure(figsize=(6, 4))
    axis = figure.subplots()
    colours = colormaps["viridis"](np.linspace(0, 1, len(rows)))
    for row, colour in zip(rows, colours):
        found = {
            key.removeprefix(prefix): value
            for key, value in row.items()
            if key.startswith(prefix)
        }
        axis.plot(*zip(*found.items()), marker="o", color=colour)
    first, last = rows[0]["step"], rows[-1]["step"]
    axis.set_title(f"after {first} (dark) to {last} updates (bright)")
    axis.set_xlabel("token of the group")
    axis.set_ylabel("perplexity")
    axis.set_yscale("log")
    axis.grid(alpha=0.3)
    _save(figure, image_path)


def plot_overfitting(log_path, image_path):
    r"""Draw the loss of training and validation, and where it overfits.

    The best validation is marked; what follows it is shaded. Returns the rows
    of the first, the best and the last validation.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> losses = [(0, 5.0), (10, 4.0), (20, 4.5)]
    >>> lines = [
    ...     json.dumps({"step": step, "stage": "valid", "loss": loss})
    ...     for step, loss in losses
    ... ]
    >>> _ = (folder / "log").write_text("\n".join(lines))
    >>> rows = plot_overfitting(folder / "log", folder / "curve.png")
    >>> [row["step"] for row in rows]
    [0, 10, 20]
    """
    rows = [row for row in read_log(log_path) if "loss" in row]
    valid = [row for row in rows if row["stage"] == "valid"]
    best = min(valid, key=lambda row: row["loss"])
    figure = Figure(figsize=(6, 4))
    axis = figure.subplots()
    for stage, marker in (("train", None), ("valid", ".")):
        points = [(r["step"], r["loss"]) for r in rows if r["stage"] == stage]
        if points:
            axis.plot(*zip(*points), marker=marker, label=stage)
    axis.plot(best["step"], best["loss"], "k*", markersize=12, label="exported")
    if valid[-1] is not best:
        axis.axvspan(best["step"], valid[-1]["step"], alpha=0.12, color="red")
    axis.set_title(f"best after {best['step']} updates; overfits where shaded")
    axis.set_xlabel("updates")
    axis.set_ylabel("loss")
    axis.grid(alpha=0.3)
    axis.legend()
    _save(figure, image_path)
    return valid[0], best, valid[-1]


def _save(figure, path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
