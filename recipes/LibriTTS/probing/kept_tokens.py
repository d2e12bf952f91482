"""Figure 7 of the Gogo paper: all figures by number of kept tokens.

It plots results of the recipe ../reconstruction; nothing is measured here. Every
figure is relative to its largest value, so that figures of different units share
an axis.
"""

import csv
import math
import re
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure as Picture

from speechbrain_gogo.metrics.reports.bootstrap import has_score
from speechbrain_gogo.metrics.reports.tables import markdown_table
from speechbrain_gogo.metrics.speech_metric import Figure

KEEP = re.compile(r"^(.*?),? ?keep (\d+)$")  # "gogo-mini, keep 3"


def read_results(results_csv, figures):
    """Figures at every number of tokens kept.

    Gives label -> {tokens kept: value}, in order. The CSV is that of the recipe
    ../reconstruction. Figures map labels to [column], averaged over utterances,
    or [column, column], a ratio of sums; those without these columns are left
    out. No figure is an error, and so are results of several codecs.
    """
    rows, codecs = defaultdict(list), set()
    with open(results_csv, newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            found = KEEP.search(row["system"])
            if found:
                codecs.add(found[1])
                rows[int(found[2])].append(row)
    there = {
        label: columns
        for label, columns in figures.items()
        if set(columns) <= set(reader.fieldnames or ())
    }
    if not rows or not there:
        raise ValueError(
            f"{results_csv} has no rows of systems such as 'keep 3', or none "
            f"of the columns {list(figures.values())}: it has to be the "
            "results.csv of recipes/LibriTTS/reconstruction."
        )
    if len(codecs) > 1:
        raise ValueError(
            f"{results_csv} has several codecs, {sorted(codecs)}: evaluate "
            "the one that is probed in a folder of its own."
        )
    return {
        label: {kept: _value(rows[kept], *columns) for kept in sorted(rows)}
        for label, columns in there.items()
    }


def _value(rows, column, per=None):
    """A figure over those rows that have a score."""
    rows = [row for row in rows if has_score(Figure("", column, per), row)]
    total = sum(float(row[column]) for row in rows)
    count = sum(float(row[per]) for row in rows) if per else len(rows)
    return total / count if count else math.nan


def write_kept(folder, values):
    """Write kept_tokens.md and kept_tokens.png of :func:`read_results`."""
    kept = sorted({number for line in values.values() for number in line})
    lines = []
    picture = Picture(figsize=(6, 4))
    axis = picture.subplots()
    for label, line in values.items():
        lines.append([label, *(f"{line[number]:.4g}" for number in kept)])
        known = [abs(value) for value in line.values() if value == value]
        largest = max(known, default=0) or 1  # of those that are not NaN
        relative = [line[number] / largest for number in kept]
        axis.plot(kept, relative, marker="o", label=label)
    axis.set(xlabel="tokens kept per group", xticks=kept)
    axis.set_ylabel("relative to the largest")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    picture.tight_layout()
    picture.savefig(Path(folder) / "kept_tokens.png", dpi=120)
    table = markdown_table(["tokens kept", *map(str, kept)], lines)
    Path(folder, "kept_tokens.md").write_text(table)
