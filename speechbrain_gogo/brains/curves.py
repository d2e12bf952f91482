"""Curves of a training run: a table that grows, and its picture.

Whatever a Brain logs at a validation becomes a row of curves.csv, from which
curves.png is drawn anew, so that the picture survives any number of resumed
runs. Which numbers those are is the Brain's business.
"""

import csv
from pathlib import Path

from matplotlib.figure import Figure


def plot_curves(folder, row):
    """Add one validation to curves.csv and draw all of them.

    Rows at or past this step, left by a run that was cut off, are dropped.

    Arguments
    ---------
    folder : str | Path
        Where curves.csv and curves.png live.
    row : dict
        Name to number; "step" counts the updates, and every other name but
        "epoch" gets a panel.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for step in (10, 20, 30, 20):
    ...     plot_curves(folder, {"step": step, "loss": 1 / step})
    >>> print((folder / "curves.csv").read_text())
    step,loss
    10,0.1
    20,0.05
    <BLANKLINE>
    >>> (folder / "curves.png").exists()
    True
    """
    table, rows = Path(folder) / "curves.csv", []
    if table.exists():
        with table.open(newline="") as file:
            rows = [
                r
                for r in csv.DictReader(file)
                if float(r["step"]) < row["step"]
            ]
    rows.append(row)
    names = list(dict.fromkeys(name for r in rows for name in r))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    panels = [name for name in names if name not in ("epoch", "step")]
    figure = Figure(figsize=(7, 1.6 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, panels):
        known = [r for r in rows if r.get(name) not in (None, "")]
        steps = [float(r["step"]) for r in known]
        axis.plot(steps, [float(r[name]) for r in known], marker=".")
        axis.set_ylabel(name)
    axes[-1].set_xlabel("updates")
    figure.savefig(Path(folder) / "curves.png", dpi=100)
