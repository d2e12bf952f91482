#!/usr/bin/env python3
"""Train a recipe with several numbers of tokens per group, and compare.

    cd asr_tokens
    python ../compare_tokens.py hparams/train.yaml --data_folder /path/to/LibriTTS

runs train.py with ``--num_codebooks 3``, 5 and 10, each below the output
folder, then writes table.md and comparison.png there. Whatever else is on the
command line goes to train.py. Run it again after a stop: it goes on.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

from report import plot_rates, summarize, write_table

from speechbrain_gogo.metrics.speech_metric import Figure


def read_results(folder):
    """What a run of train.py wrote.

    Arguments
    ---------
    folder : Path
        Its output folder.

    Returns
    -------
    tuple
        Facts about the run, a dict, and its rows, a list of dict.

    Raises
    ------
    ValueError
        If it has not come to an end.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise ValueError(f"No results of a test in {folder}: run train.py.")
    with open(folder / "results.csv", newline="") as file:
        return json.loads(path.read_text()), list(csv.DictReader(file))


def compare(folders, output_folder, seed=0):
    """Write the table and the picture of several runs.

    Arguments
    ---------
    folders : list of Path
        Output folders of train.py, of one recipe.
    output_folder : Path
        Gets table.md and comparison.png.
    seed : int
        Of the bootstrap intervals.

    Returns
    -------
    str
        The table.

    Raises
    ------
    ValueError
        If a run is missing, or they are of different codecs or tests.
    """
    facts, rows = zip(*map(read_results, folders))
    for key in ("codec", "test", "figures"):
        if any(fact[key] != facts[0][key] for fact in facts):
            told = "; ".join(f"{f}: {a[key]}" for f, a in zip(folders, facts))
            raise ValueError(f"These runs differ in their {key}: {told}.")
    figures = [Figure(**figure) for figure in facts[0]["figures"]]
    systems = {
        f"{fact['num_codebooks']} tokens per group": fact["num_codebooks"]
        for fact in facts
    }
    rates = dict(zip(systems, (fact["rates"] for fact in facts)))
    summary = summarize(dict(zip(systems, rows)), figures, seed)
    notes = [
        f"{facts[0]['test']}: {len(rows[0])} utterances",
        f"codec: {facts[0]['codec']}",
        "in brackets: 95 % bootstrap intervals over utterances",
    ]
    plot_rates(
        output_folder / "comparison.png", summary, figures, systems, {}, []
    )
    return write_table(
        output_folder / "table.md", summary, systems, figures, rates, notes
    )


def main(arguments):
    """Run what is missing, and compare."""
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
    print(compare(folders, known.output_folder))


if __name__ == "__main__":
    main(sys.argv[1:])
