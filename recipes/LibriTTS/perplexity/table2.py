"""Table 2: from the losses of every clip to a table, a CSV and a plot.

A training writes perplexity.csv, the losses of its test clips, and
perplexity.json, its codec and settings. Any of these folders can be compared. A
perplexity is exp of the mean loss of all tokens of the test set at a position
(Eq. 19), with a 95 % bootstrap interval over utterances.
"""

import csv
import json
import math
from pathlib import Path

from matplotlib.figure import Figure

from recipes.common.evaluation.results_file import write_rows
from speechbrain_gogo.dataio.replacing import write_csv
from speechbrain_gogo.metrics.reports.bootstrap import bootstrap_interval
from speechbrain_gogo.metrics.reports.tables import markdown_table


def save_row(rows, hparams):
    """Write the losses of test clips, and what they are of."""
    folder, codec = Path(hparams["output_folder"]), hparams["tokenizer"].codec
    about = {
        "system": hparams["system"],
        "codec": f"{codec.name} ({codec.fingerprint})",
        "group_rate": codec.group_rate,
        "codes": codec.vocab_size,
        "positions": hparams["lm"].num_tokens,
        "test": Path(hparams["test_csv"]).name,
    }
    write_rows(folder / "perplexity.csv", rows)
    text = json.dumps(about, indent=2)
    (folder / "perplexity.json").write_text(text + "\n")


def compare(hparams):
    """Write table.md, table.csv and perplexity.png; gives the table.

    The last row is that of ``output_folder``, the others are those of the
    folders of ``compare``. A folder without a row is an error, and so is a row
    of another test set.
    """
    folder = Path(hparams["output_folder"])
    folders = [*map(Path, hparams["compare"]), folder]
    systems = [read_row(place, hparams["bootstrap_seed"]) for place in folders]
    tests = {about["ids"]: about for about, _ in systems}
    if len(tests) > 1:
        raise ValueError(
            "The rows are of different test clips: "
            + ", ".join(
                f"{about['system']}: {len(ids)} of {about['test']}"
                for ids, about in tests.items()
            )
            + ". Compare systems on one test set."
        )
    text = draw_table(systems)
    (folder / "table.md").write_text(text)
    write_csv(folder / "table.csv", list_positions(systems))
    plot(systems, folder / "perplexity.png")
    return text


def read_row(folder, seed):
    """Results of a training: its description, and intervals by "nll" and "unigram".

    Each is a list with (perplexity, low, high) for every position.
    """
    if not (folder / "perplexity.json").is_file():
        raise ValueError(
            f"{folder} has no perplexity.json: no training has ended there."
        )
    about = json.loads((folder / "perplexity.json").read_text())
    with open(folder / "perplexity.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    about["ids"] = frozenset(row["ID"] for row in rows)
    groups = [int(row["groups"]) for row in rows]
    found = {}
    for kind in ("nll", "unigram"):
        found[kind] = []
        for level in range(1, about["positions"] + 1):
            sums = [float(row[f"{kind} {level}"]) for row in rows]
            interval = bootstrap_interval(sums, groups, seed=seed)
            found[kind].append(tuple(math.exp(end) for end in interval))
    return about, found


def draw_table(systems):
    """Table 2 in Markdown, with a description of the systems below it."""
    most = max(about["positions"] for about, _ in systems)
    positions = [str(level) for level in range(1, most + 1)]
    lines = []
    for kind, addition in (("nll", ""), ("unigram", ", without context")):
        for about, found in systems:
            rate = about["group_rate"] * about["positions"]
            cells = [f"{value:.1f}" for value, _, _ in found[kind]]
            cells += ["-"] * (most - len(cells))
            name = about["system"] + addition
            lines.append([name, f"{rate:.1f}", *cells])
    notes = [
        f"{about['system']}: codec {about['codec']}, {about['group_rate']:.4g} "
        f"groups or frames per second, {about['codes']} codes."
        for about, _ in systems
    ]
    about = systems[0][0]
    notes.append(
        f"Perplexity of each position over {len(about['ids'])} clips of "
        f"{about['test']}. Without context: of a token drawn as often as "
        "training used it."
    )
    text = markdown_table(["scheme", "tokens/s", *positions], lines)
    return text + "\n" + "".join(f"- {note}\n" for note in notes)


def list_positions(systems):
    """A line for each system and position, with intervals."""
    names = ["perplexity", "low", "high", "without context"]
    yield ["system", "position", *names]
    for about, found in systems:
        pairs = zip(found["nll"], found["unigram"])
        for level, (interval, unigram) in enumerate(pairs, 1):
            numbers = [f"{value:.6g}" for value in (*interval, unigram[0])]
            yield [about["system"], level, *numbers]


def plot(systems, path):
    """Plot perplexity over the position; without context as dotted lines."""
    picture = Figure(figsize=(7, 4.5))
    axis = picture.subplots()
    for about, found in systems:
        place = range(1, about["positions"] + 1)
        value, low, high = zip(*found["nll"])
        (line,) = axis.plot(place, value, marker="o", label=about["system"])
        axis.fill_between(place, low, high, alpha=0.2, color=line.get_color())
        unigram = [value for value, _, _ in found["unigram"]]
        axis.plot(place, unigram, ":", marker=".", color=line.get_color())
    axis.set(
        xlabel="token of the group, or layer",
        ylabel="perplexity (dotted: without context)",
        yscale="log",
    )
    axis.grid(alpha=0.3)
    axis.legend()
    picture.tight_layout()
    picture.savefig(path, dpi=120)
