#!/usr/bin/env python3
"""Train a recipe with several numbers of tokens per group, and compare.

    cd asr_tokens
    python ../compare_tokens.py hparams/train.yaml --data_folder /path/to/LibriTTS

runs train.py with ``--num_codebooks 3``, 5 and 10, each below the output
folder, then writes table.md and comparison.png there. All other arguments are
passed to train.py. Run it again after an interruption: it resumes.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import speechbrain_gogo.compatibility  # noqa: F401

from matplotlib.figure import Figure as Picture

from speechbrain_gogo.metrics.reports.bootstrap import figure_interval
from speechbrain_gogo.metrics.reports.tables import markdown_table
from speechbrain_gogo.metrics.speech_metric import Figure


def read_results(folder):
    """Settings and totals of a run of train.py, and its rows.

    A run that has not ended is an error.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise ValueError(f"No results of a test in {folder}: run train.py.")
    with open(folder / "results.csv", newline="") as file:
        return json.loads(path.read_text()), list(csv.DictReader(file))


def compare(folders, output_folder, seed=0):
    """Write table.md and comparison.png of several runs of one recipe.

    Gives the table. Runs of different codecs or tests are an error. The seed is
    that of the intervals.
    """
    metadata, rows = zip(*map(read_results, folders))
    for key in ("codec", "test", "figures"):
        if any(fact[key] != metadata[0][key] for fact in metadata):
            values_found = "; ".join(
                f"{f}: {a[key]}" for f, a in zip(folders, metadata)
            )
            raise ValueError(
                f"These runs differ in their {key}: {values_found}."
            )
    figures = [Figure(**figure) for figure in metadata[0]["figures"]]
    values = [[figure_interval(f, own, seed) for f in figures] for own in rows]
    notes = (
        f"{metadata[0]['test']}: {len(rows[0])} utterances; in brackets, 95 % "
        "bootstrap intervals over them",
        f"codec: {metadata[0]['codec']}",
    )
    table = draw_table(metadata, figures, values)
    table += "\n" + "".join(f"- {note}\n" for note in notes)
    (output_folder / "table.md").write_text(table)
    numbers = [fact["num_codebooks"] for fact in metadata]
    plot(output_folder / "comparison.png", numbers, figures, values)
    return table


def draw_table(metadata, figures, values):
    """A line for each run, in Markdown."""
    head = ["tokens per group", "tokens/s", "bit/s"]
    lines = []
    for fact, found in zip(metadata, values):
        line = [
            f"{fact['num_codebooks']}",
            *(f"{r:.4g}" for r in fact["rates"]),
        ]
        for figure, (value, low, high) in zip(figures, found):
            digits = 1 if figure.scale == 100 else 2
            ends = f"{low:.{digits}f}-{high:.{digits}f}"
            line.append(f"{value:.{digits}f} ({ends})")
        lines.append(line)
    return markdown_table(head + [f.label for f in figures], lines)


def plot(path, numbers, figures, values):
    """Draw each figure over the tokens per group, with its interval."""
    picture = Picture(figsize=(3.6 * len(figures), 3.2))
    axes = picture.subplots(1, len(figures), squeeze=False)[0]
    for axis, figure, found in zip(axes, figures, zip(*values)):
        value, low, high = zip(*found)
        axis.plot(numbers, value, marker="o")
        axis.fill_between(numbers, low, high, alpha=0.2)
        axis.set(xlabel="tokens per group", ylabel=figure.label, xticks=numbers)
        axis.grid(alpha=0.3)
    picture.tight_layout()
    picture.savefig(path, dpi=120)


def main(arguments):
    """Run the missing trainings, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("hparams_file", type=Path)
    parser.add_argument(
        "--num_codebooks", type=int, nargs="+", default=[3, 5, 10]
    )
    parser.add_argument("--output_folder", type=Path, default=Path("results"))
    known, others = parser.parse_known_args(arguments)
    script = known.hparams_file.resolve().parent.parent / "train.py"
    folders = []
    for number in sorted(known.num_codebooks):
        folders.append(known.output_folder / f"{number}_tokens")
        settings = [f"--num_codebooks={number}"]
        settings += [f"--output_folder={folders[-1]}"]
        line = [script, known.hparams_file, *settings, *others]
        subprocess.run([sys.executable, *map(str, line)], check=True)
    if "--dry_run" not in others:
        print(compare(folders, known.output_folder))


if __name__ == "__main__":
    main(sys.argv[1:])
