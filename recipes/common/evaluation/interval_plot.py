"""Figures of several systems with their intervals, as cells and as a picture."""

import math

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


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
    """Draw each figure, a point with its interval for each system that has it.

    ``summary`` maps (system, figure) to (value, low, high).
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
