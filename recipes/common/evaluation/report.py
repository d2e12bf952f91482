"""Reports of an evaluation: tables and plots from rows of results.

Figures are means over utterances or, for word errors, ratios of sums, each
with its 95 % bootstrap interval. Every report names the judges. Under the
paper's protocol the published table is added, and the figures of the original
recordings are compared with it.
"""

import csv
import math
from collections import Counter
from itertools import compress
from pathlib import Path

from recipes.common.evaluation.plots import plot_rates
from speechbrain_gogo.metrics.panel import UNSCORED
from speechbrain_gogo.metrics.recognition.transcripts import (
    NORMALIZERS,
    count_errors,
)
from speechbrain_gogo.metrics.reports.bootstrap import (
    figure_interval,
    has_score,
    paired_difference,
)
from speechbrain_gogo.metrics.reports.tables import markdown_table


def write_reports(folder, rows, measured, judges, utterances, hparams):
    """Write table.md and rate_quality.png.

    ``rows`` maps labels to rows of the table, the original recordings first,
    ``measured`` to lists of results, one per utterance. Settings are test_csv,
    bootstrap_seed, ground_truth_tolerance, published (from
    :func:`read_published`), and reference, a label or None. Gives (label,
    figure label) -> (value, low, high).
    """
    figures = [figure for judge in judges for figure in judge.figures]
    summary = summarize(measured, figures, hparams["bootstrap_seed"])
    rates = {label: row.rate() for label, row in rows.items()}
    minutes = sum(row["duration"] for row in utterances.values()) / 60
    systems = {r.system.name: r.system for r in rows.values() if r.system}
    notes = [
        f"{len(utterances)} utterances ({minutes:.1f} minutes) of "
        f"{Path(hparams['test_csv']).name}; 95 % bootstrap intervals over "
        "utterances in brackets.",
        *(f"Judge: {judge.judge}." for judge in judges),
        *list_unscored(measured),
        *(
            f"{name}: " + ", ".join(f"{k} {v}" for k, v in s.settings.items())
            for name, s in systems.items()
        ),
    ]
    text = draw_table(rows, rates, summary, figures) + list_notes(notes)
    if hparams["reference"]:
        text += draw_differences(
            measured, hparams["reference"], figures, hparams["bootstrap_seed"]
        )
    if hparams["published"]:
        original = next(iter(rows))
        published = hparams["published"]
        notes = compare_ground_truth(
            {f.label: summary[original, f.label][0] for f in figures},
            published[0],
            hparams["ground_truth_tolerance"],
        )
        notes += other_normalizations(judges, utterances, measured[original])
        text += "\n## As published\n\n" + align(published) + list_notes(notes)
    (folder / "table.md").write_text(text)
    print(text)
    plot_rates(folder / "rate_quality.png", rows, rates, summary, figures)
    return summary


def summarize(measured, figures, seed):
    """Figures of every row: (label, figure label) -> (value, low, high).

    ``measured`` maps labels to lists of results, one per utterance; the seed is
    that of the bootstrap.
    """
    return {
        (label, figure.label): figure_interval(figure, results, seed)
        for label, results in measured.items()
        for figure in figures
    }


def list_unscored(measured):
    """Which judges gave no score, to how many utterances and why.

    A note for each label and reason; figures leave these utterances out.
    """
    notes = []
    for label, results in measured.items():
        told = (row.get(UNSCORED) or "" for row in results)
        reasons = Counter(
            reason for text in told for reason in text.split("; ") if reason
        )
        notes += [
            f"{label}: {count} of {len(results)} utterances are left out of "
            f"figures ({reason})."
            for reason, count in sorted(reasons.items())
        ]
    return notes


def draw_table(rows, rates, summary, figures):
    """Rows, their checkpoints and rates, and all figures, in Markdown."""
    lines = []
    for label, row in rows.items():
        made_by, rate = row.system, rates[label]
        line = {
            "system": label,
            "checkpoint": made_by
            and f"{made_by.checkpoint} ({made_by.licence})",
            "tokens/s": rate and f"{rate.tokens:.4g}",
            "frames/s": rate and f"{rate.frames:.4g}",
            "codebooks": rate and f"{rate.codebooks}",
            "bit/s": rate and f"{rate.bits:.4g}",
        }
        for figure in figures:
            value, low, high = summary[label, figure.label]
            digits = 2 if figure.scale == 100 or abs(value) >= 10 else 3
            if not math.isnan(value):
                line[figure.label] = (
                    f"{value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"
                )
            else:
                line[figure.label] = "-"
        lines.append(line)
    return align(lines)


def draw_differences(measured, reference, figures, seed):
    """Paired differences between every row and a reference row.

    Intervals of rows overlap because utterances differ. Intervals of paired
    differences show whether the systems differ.
    """
    lines = []
    for label, results in measured.items():
        line = {"system": label}
        for figure in figures:
            ends = paired_difference(figure, results, measured[reference], seed)
            digits = 2 if figure.scale == 100 else 3
            value, low, high = (f"{end:+.{digits}f}" for end in ends)
            line[figure.label] = f"{value} ({low} to {high})"
        lines.append(line)
    lines = [line for line in lines if line["system"] != reference]
    if not lines:
        return ""
    return f"\n## More than {reference}\n\n{align(lines)}"


def align(lines):
    """Dicts of the same keys as a Markdown table, None as an empty cell."""
    return markdown_table(list(lines[0]), [line.values() for line in lines])


def list_notes(notes):
    """Notes below a table, in Markdown."""
    return "\n" + "".join(f"- {note}\n" for note in notes)


def read_published(hparams_file, name):
    """Rows of the paper's table, dicts, if a file is named.

    Its name is relative to the folder of the YAML, as what that includes is.
    """
    if name is None:
        return []
    with open(Path(hparams_file).parent / name, newline="") as stream:
        return list(csv.DictReader(stream))


def compare_ground_truth(here, published, tolerance):
    """Compare figures of the original recordings with the published ones.

    These are texts. The tolerance is a share of the published value. Gives a
    verdict, with both values of every figure.
    """
    pairs = {
        label: (value, float(published[label]))
        for label, value in here.items()
        if label in published
    }
    if not pairs:
        return ["None of the figures here is in the paper's table."]
    summary = ", ".join(f"{k} {a:.2f} ({b:.2f})" for k, (a, b) in pairs.items())
    off = [
        label
        for label, (value, paper) in pairs.items()
        if not abs(value - paper) <= tolerance * abs(paper)
    ]
    verdict = (
        f"which differs in {', '.join(off)}: **this is not the paper's "
        "evaluation**, and its rows must not be compared with the paper's."
        if off
        else f"the same within {100 * tolerance:g} %."
    )
    return [f"Ground truth here (in the paper): {summary}; {verdict}"]


def other_normalizations(judges, utterances, originals):
    """Word errors of the originals with other normalizations."""
    notes = []
    for judge in judges:
        if not hasattr(judge, "normalizer"):
            continue
        scored = [has_score(judge.figures[0], row) for row in originals]
        if not any(scored):
            continue
        heard = compress((row[judge.columns[-1]] for row in originals), scored)
        said = compress((row["wrd"] for row in utterances.values()), scored)
        told, rates = list(zip(said, heard)), []
        for name in NORMALIZERS:
            pairs = [_count(s, h, name) for s, h in told]
            errors, words = map(sum, zip(*pairs))
            rates.append(f"{name} {100 * errors / words:.2f} %")
        notes.append(
            f"{judge.figures[0].label} of the originals by each "
            f"normalization of transcripts: {', '.join(rates)}."
        )
    return notes


def _count(said, heard, name):
    """Errors and words, also if a normalization leaves no words."""
    normalize = NORMALIZERS[name]
    if normalize(said):
        return count_errors(said, heard, name)
    return len(normalize(heard)), 0
