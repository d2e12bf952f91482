"""From rows of results to the table and the curves that a reader looks at.

Figures are means over utterances or, for word errors, ratios of sums, each
with its 95 % bootstrap interval. Every report names the judges.
"""

from pathlib import Path

import matplotlib

from speechbrain_gogo.metrics.bootstrap import bootstrap_interval

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def summarize(rows, figures, seed):
    """Figures of every system.

    Arguments
    ---------
    rows : dict
        System label -> list of rows, one per utterance.
    figures : list of Figure
        What to compute.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        (system, figure label) -> (value, low, high).
    """
    summary = {}
    for system, measured in rows.items():
        for figure in figures:
            values = [float(r[figure.column]) for r in measured]
            weights = None
            if figure.per is not None:
                weights = [float(r[figure.per]) for r in measured]
            interval = bootstrap_interval(values, weights, seed=seed)
            summary[system, figure.label] = tuple(
                figure.scale * end for end in interval
            )
    return summary


def write_table(path, summary, systems, figures, rates, notes):
    """Write the summary as a Markdown table.

    Arguments
    ---------
    path : str | Path
        The file to write.
    summary : dict
        From :func:`summarize`.
    systems : list of str
        Rows of the table.
    figures : list of Figure
        Columns of the table.
    rates : dict
        System -> (tokens per second, bits per second), or None.
    notes : list of str
        Lines below the table: judges, data, settings.

    Returns
    -------
    str
        What was written.
    """
    head = ["system", "tokens/s", "bit/s", *(f.label for f in figures)]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for system in systems:
        rate = rates[system]
        cells = ["", ""] if rate is None else [f"{r:.4g}" for r in rate]
        for figure in figures:
            value, low, high = summary[system, figure.label]
            digits = 1 if figure.scale == 100 or abs(value) >= 10 else 3
            cells.append(
                f"{value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"
            )
        lines.append([system, *cells])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    text += "\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"
    Path(path).write_text(text)
    return text


def plot_rates(path, summary, figures, systems, points, references):
    """Draw each figure over the tokens kept, with its interval.

    Arguments
    ---------
    path : str | Path
        The picture to write.
    summary : dict
        From :func:`summarize`.
    figures : list of Figure
        One panel each.
    systems : dict
        System label -> tokens kept per group: a curve.
    points : dict
        The same of systems that are no part of it.
    references : list of str
        Systems drawn as level lines, such as the original.
    """
    width = min(len(figures), 3)
    height = -(-len(figures) // width)
    _, axes = plt.subplots(
        height, width, figsize=(4 * width, 3 * height), squeeze=False
    )
    for axis, figure in zip(axes.flat, figures):
        kept = list(systems.values())
        curve = [summary[s, figure.label] for s in systems]
        value, low, high = zip(*curve) if curve else ((), (), ())
        axis.plot(kept, value, marker="o")
        axis.fill_between(kept, low, high, alpha=0.2)
        for marker, (system, mean) in zip("*svx", points.items()):
            level = summary[system, figure.label][0]
            axis.plot(mean, level, marker, color="black", label=system)
        for style, system in zip(("--", ":"), references):
            level = summary[system, figure.label][0]
            axis.axhline(level, ls=style, color="gray", label=system)
        axis.set(xlabel="tokens per group", ylabel=figure.label, xticks=kept)
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    for axis in axes.flat[len(figures) :]:
        axis.remove()
    plt.tight_layout()
    plt.savefig(path, dpi=120)
    plt.close()
