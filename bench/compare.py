"""Speed of two checkouts side by side: medians and their ratios.

    python -m bench compare ../other-checkout --rounds 5

Each round is a process of its own (parts/probe.py) on one thread; the checkouts
alternate, so that other work on the machine affects both. Each uses its bundled
weights, or both use those of --source.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from speechbrain_gogo.metrics.timing import device_name

HERE = Path(__file__).resolve().parent
HIGHER_IS_BETTER = {"groups per second"}


def main(
    other: Annotated[Path, typer.Argument(help="Root of the other checkout.")],
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    times: Annotated[
        int, typer.Option(min=1, help="Calls a round; the fastest counts.")
    ] = 2,
    source: Annotated[
        str, typer.Option(help="Folder of GogoSpeech, or a bundled name.")
    ] = "gogo-mini",
    output: Path = HERE.parent / "results" / "bench" / "compare.md",
):
    """Measure two checkouts, and print and write a table."""
    checkouts = {"this": HERE.parent, "other": other.resolve()}
    if not (checkouts["other"] / "speechbrain_gogo").is_dir():
        raise typer.BadParameter(f"{other} is no checkout of speechbrain_gogo.")
    found = {name: [] for name in checkouts}
    for _ in range(rounds):
        for name, root in checkouts.items():
            found[name].append(run_probe(root, times, source))
    page = describe(found, checkouts, source)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page)
    print(page)


def run_probe(root, times, source):
    """A round of one checkout, name to number.

    The fastest of ``times`` calls counts.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-W", "ignore", HERE / "parts/probe.py"]
    ended = subprocess.run(
        [*command, str(times), source],
        cwd=root,
        env={**os.environ, **threads, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"{root} could not be measured:\n{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


def describe(found, checkouts, source):
    """The table in Markdown, from the rounds of "this" and "other"."""
    lines = [
        f"# {checkouts['this'].name} beside {checkouts['other'].name}",
        "",
        f"{source}, {device_name('cpu')}, one thread, medians of "
        f"{len(found['this'])} rounds.",
        "",
        "| | this | other | times better |",
        "|---|---|---|---|",
    ]
    for key in found["this"][0]:
        this, other = (
            median(row[key] for row in rows) for rows in found.values()
        )
        ratio = this / other if key in HIGHER_IS_BETTER else other / this
        lines.append(f"| {key} | {this:.3f} | {other:.3f} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
