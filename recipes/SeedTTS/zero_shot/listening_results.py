"""Ratings of many raters as Table 6: means, 95 % intervals, Wilcoxon p.

The ratings of a system are first averaged for each rater; intervals (Student's t)
and the signed-rank test are over raters (Appendix J).

    python listening_results.py results/listening/key.json answers/*.json
"""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy import stats

from speechbrain_gogo.metrics.reports.tables import markdown_table

SCALES = {"smos": range(1, 6), "cmos": range(-3, 4)}


def main(
    key_path: Annotated[Path, typer.Argument(help="key.json of the test.")],
    answers: Annotated[
        list[Path], typer.Argument(help="What raters sent, JSON or CSV.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            help="Table to write; by default table6.md in the folder of the key."
        ),
    ] = None,
):
    """Write the table."""
    key = json.loads(key_path.read_text("utf-8"))
    ratings = read_ratings(answers, key)
    text = write_table(ratings, key)
    output = output or key_path.parent / "table6.md"
    output.write_text(text, "utf-8")
    print(text + f"\nThe table is in {output}")


def read_ratings(paths, key):
    """All ratings of answer files of the page: (rater, item) -> rating.

    It is an error if a file is not an answer file, belongs to another test, has
    ratings outside the scale, or contradicts another file of the rater.
    """
    ratings = {}
    for path in paths:
        for row in _read_rows(path):
            if row["test"] != key["test"]:
                raise ValueError(
                    f"{path} is about the test {row['test']}, the key about "
                    f"{key['test']}."
                )
            item, rating = row["item"], _whole(row["rating"])
            known = key["items"].get(item)
            if known is None or rating not in SCALES[known["kind"]]:
                raise ValueError(
                    f"{path}: item {item!r} with rating {row['rating']!r} is "
                    "not in this test."
                )
            pair = row["rater"], item
            if ratings.setdefault(pair, rating) != rating:
                raise ValueError(
                    f"{path}: rater {pair[0]} has rated {item} otherwise in "
                    "another file: leave one of them out, or tell two raters "
                    "of one name apart."
                )
    return ratings


def _read_rows(path):
    """test, rater, item and rating of each answer, as they are in a file."""
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".csv":
            rows = list(csv.DictReader(text.splitlines()))
        else:
            found = json.loads(text)
            head = {name: found[name] for name in ("test", "rater")}
            rows = [{**answer, **head} for answer in found["answers"]]
        names = "test", "rater", "item", "rating"
        return [{name: row[name] for name in names} for row in rows]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no answer file of the page: {error!r}"
        ) from None


def _whole(value):
    """A rating as a number if possible, else unchanged."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return int(number) if number.is_integer() else value


def rater_means(ratings, key):
    """Means of each system: (kind, system) -> means, one per rater.

    Positive CMOS: better than the reference, whichever came first.
    """
    found = defaultdict(list)
    for (rater, item), rating in ratings.items():
        known = key["items"][item]
        # The page's scale is: how much better is the second?
        turned = known["kind"] == "cmos" and not known["reference_first"]
        value = -rating if turned else rating
        found[known["kind"], known["system"], rater].append(value)
    means = defaultdict(list)
    for (kind, system, _), values in found.items():
        means[kind, system].append(float(np.mean(values)))
    return means


def interval(means):
    """Mean, and half the width of its 95 % interval (none of one value).

    Example
    -------
    >>> mean, half = interval([1.0, 2.0, 3.0])
    >>> mean, round(half, 3)
    (2.0, 2.484)
    """
    mean = float(np.mean(means))
    if len(means) < 2:
        return mean, float("nan")
    half = stats.t.ppf(0.975, len(means) - 1) * stats.sem(means)
    return mean, float(half)


def signed_rank(means):
    """Two-sided p of the Wilcoxon signed-rank test against no difference.

    Example
    -------
    >>> signed_rank([1.0, 2.0, 0.5, 3.0, 1.5, 0.2]), signed_rank([0.0])
    (0.03125, 1.0)
    """
    if not any(means):
        return 1.0
    return float(stats.wilcoxon(means).pvalue)


def write_table(ratings, key):
    """Table 6 as Markdown, from :func:`read_ratings` and key.json."""
    means = rater_means(ratings, key)
    lines = []
    for system in key["systems"]:
        smos, cmos = (means.get((kind, system)) for kind in ("smos", "cmos"))
        cells = [_cell(smos, "{:.3f}")]
        if system == key["reference"]:
            cells.append("0 (reference)")
        elif cmos:
            cells.append(f"{_cell(cmos, '{:+.3f}')} ({signed_rank(cmos):.2g})")
        else:
            cells.append("-")
        lines.append([system, *cells])
    count = Counter(rater for rater, _ in ratings)
    partly = sum(n < len(key["items"]) for n in count.values())
    notes = [
        f"- {len(ratings)} ratings of {len(count)} raters, {partly} of whom "
        f"did not rate all {len(key['items'])} items.",
        "- Means over raters' means ± half of the 95 % interval (Student's t); "
        "p of the two-sided Wilcoxon signed-rank test of raters' means.",
        f"- CMOS: against {key['reference']}; positive is better. Test "
        f"{key['test']}, seed {key['seed']}.",
    ]
    table = markdown_table(["system", "SMOS", "CMOS (p)"], lines)
    return "\n".join([table, *notes]) + "\n"


def _cell(means, form):
    """Mean ± half an interval."""
    if not means:
        return "-"
    mean, half = interval(means)
    return form.format(mean) + (f" ± {half:.3f}" if half == half else "")


if __name__ == "__main__":
    typer.run(main)
