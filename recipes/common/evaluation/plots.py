"""Plots of an evaluation, and the cells of its tables."""

import math
from itertools import cycle

from matplotlib.figure import Figure


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


def _grid(number, columns, width, height, **options):
    """A picture with a number of axes in rows, and these axes.

    ``width`` is a function of the number of columns, ``height`` that of a row.
    """
    columns = min(number, columns)
    rows = -(-number // columns)
    picture = Figure(figsize=(width(columns), height * rows))
    axes = picture.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat[number:]:
        axis.remove()
    return picture, list(axes.flat[:number])


def _save(picture, path):
    picture.tight_layout()
    picture.savefig(path, dpi=120)


def plot_figures(path, summary, systems, columns):
    """Draw each figure, a point with its interval for each system that has it.

    ``summary`` maps (system, figure) to (value, low, high).
    """
    height = 0.35 * len(systems) + 1
    picture, axes = _grid(
        len(columns), 4, lambda n: 3 * n + 2, height, sharey=True
    )
    places = {system: -row for row, system in enumerate(systems)}
    for axis, column in zip(axes, columns):
        for system in systems:
            if (system, column) not in summary:
                continue
            value, low, high = summary[system, column]
            axis.plot([low, high], [places[system]] * 2, color="gray")
            axis.plot(value, places[system], "o", color="tab:blue")
        axis.set(title=column, ylim=(-len(systems) + 0.5, 0.5))
        axis.set_yticks(list(places.values()), list(places))
        axis.grid(alpha=0.3)
    _save(picture, path)


def plot_rates(path, rows, rates, summary, figures):
    """Draw each figure over tokens per second, a curve per system.

    Allocated budgets are single marks; systems without a rate, such as the
    original, are horizontal lines.
    """
    curves, marks, levels = {}, {}, []
    for label, row in rows.items():
        if rates[label] is None:
            levels.append(label)
        elif isinstance(row.options.get("keep"), dict):
            marks[label] = rates[label].tokens
        else:
            curve = curves.setdefault(row.system.name, {})
            curve[label] = rates[label].tokens
    picture, axes = _grid(len(figures), 3, lambda n: 4.5 * n, 3.2)
    for axis, figure in zip(axes, figures):
        for name, curve in curves.items():
            labels = sorted(curve, key=curve.get)
            tokens = [curve[label] for label in labels]
            value, low, high = zip(*(summary[k, figure.label] for k in labels))
            axis.plot(tokens, value, marker="o", markersize=4, label=name)
            axis.fill_between(tokens, low, high, alpha=0.2)
        for marker, (label, tokens) in zip(cycle("*svx"), marks.items()):
            level = summary[label, figure.label][0]
            axis.plot(tokens, level, marker, color="black", label=label)
        for style, label in zip(cycle(("--", ":", "-.")), levels):
            level = summary[label, figure.label][0]
            axis.axhline(level, ls=style, color="gray", label=label)
        if len(curves) > 1:
            axis.set_xscale("log")
        axis.set(xlabel="tokens per second", ylabel=figure.label)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    _save(picture, path)
