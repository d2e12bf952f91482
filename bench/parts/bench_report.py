"""The benchmark's measurements as a page of Markdown.

It has medians over the rounds, ratios to Gogo, and the project's aims, and states
what was not measured and why. The measurements are in measure.py.
"""

import platform
from statistics import median

import torch
import transformers

from parts.bench_systems import SYSTEMS
from speechbrain_gogo.metrics.timing import device_name

HEADER = """\
| audio | codec | encode RTF | to Gogo | decode RTF | to Gogo | encode MB | decode MB |
|---|---|---|---|---|---|---|---|"""
MISSING = "not measured"


class Table:
    """Medians of all measurements, by system, operation and length.

    ``found`` has jobs and their results, see codec.py.
    """

    def __init__(self, found):
        self.found = [row for row in found if row["operation"] != "pass"]
        self.passes = [row for row in found if row["operation"] == "pass"]
        self.lengths = sorted({row["seconds"] for row in self.found})

    def values(self, field, *job):
        """All values of a field for a system, operation and length, or a prefix."""
        keys = "system", "operation", "seconds"
        return [
            row[field]
            for row in self.found
            if all(row[key] == value for key, value in zip(keys, job))
        ]

    def factor(self, system, operation, seconds):
        """Median real-time factor, or None."""
        spent = self.values("spent", system, operation, seconds)
        return median(spent) / seconds if spent else None

    def growth(self, *job):
        """Largest growth of memory in megabytes, or None."""
        return max(self.values("growth", *job), default=None)


def write_report(found, systems, setting, path):
    """Write the page from jobs and their results, and return it.

    The setting has "device", "threads", "rounds" and "max_peer_seconds".
    """
    table = Table(found)
    parts = [
        "# Codec benchmark",
        describe_setting(setting),
        describe_systems(table, systems),
        "\n".join([HEADER, *rows(table, systems)]),
        describe_columns(table, setting),
        describe_passes(table) if table.passes else "",
        describe_aims(table),
    ]
    page = "\n\n".join(part for part in parts if part) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    return page


def describe_setting(setting):
    """The machine and how it was used, in a sentence."""
    threads, clock = setting["threads"], "wall time"
    machine = device_name(setting["device"])
    if setting["device"] == "cpu":
        machine += f", {threads} pinned thread(s)"
        clock = "CPU time" if threads == 1 else clock
    return (
        f"{machine}, {clock}; fp32; medians of {setting['rounds']} round(s), each "
        "measurement in its own process; Python "
        f"{platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}."
    )


def describe_systems(table, systems):
    """Size and sample rate of each codec."""
    lines = []
    for name in systems:
        sizes = table.values("parameters", name)
        if sizes and name != "gogo-file":
            rate = table.values("sample_rate", name)[0]
            lines.append(
                f"- {SYSTEMS[name].title}: {sizes[0] / 1e6:.1f} M parameters, "
                f"{rate / 1000:g} kHz"
            )
    return "\n".join(lines)


def rows(table, systems):
    """A line of the table for each length and codec."""
    for seconds in table.lengths:
        for name in systems:
            cells = [f"{seconds:g} s", SYSTEMS[name].title]
            for operation in ("encode", "decode"):
                cells += time_cells(table, name, operation, seconds)
            for operation in ("encode", "decode"):
                cells.append(memory_cell(table, name, operation, seconds))
            yield "| " + " | ".join(cells) + " |"


def time_cells(table, name, operation, seconds):
    """Real-time factor, and how many times Gogo's it is."""
    factor = table.factor(name, operation, seconds)
    if factor is None:
        return [MISSING, ""]
    partial = any(table.values("steps", name, operation, seconds))
    mark = "\\*" if partial else ""
    reference = table.factor("gogo", operation, seconds)
    ratio = f"{factor / reference:.3g}" if reference else ""
    return [f"{factor:.3g}{mark}", ratio]


def memory_cell(table, name, operation, seconds):
    """Growth in megabytes, or what it would be."""
    growth = table.growth(name, operation, seconds)
    if growth is not None:
        return f"{growth:.0f}"
    growths = [(s, table.growth(name, operation, s)) for s in table.lengths]
    known = [pair for pair in growths if pair[1] is not None]
    if len(known) < 2:
        return MISSING
    (short, less), (long, more) = known[-2:]
    expected = more + (more - less) / (long - short) * (seconds - long)
    return f"{MISSING}: about {expected / 1000:.1f} GB"


def describe_columns(table, setting):
    """What the columns and marks mean."""
    notes = [
        "RTF: seconds of computing per second of audio. To Gogo: times Gogo's "
        "RTF. MB: peak memory beyond that of the loaded, warmed-up codec."
    ]
    if any(seconds > setting["max_peer_seconds"] for seconds in table.lengths):
        notes.append(
            f"Beyond {setting['max_peer_seconds']:g} s, codecs that hold the "
            "audio in memory were not measured; their memory is extrapolated "
            "from the two longest lengths that were, and one round was taken."
        )
    partial = sorted({row["steps"] for row in table.found if row["steps"]})
    if partial:
        taken = ", ".join(str(steps) for steps in partial)
        notes.append(
            f"\\*: measured with {taken} flow step(s); the time of the others "
            "is added at their measured cost."
        )
    return " ".join(notes)


def describe_passes(table):
    """Time and multiply-adds of a pass of the DiT."""
    first = table.passes[0]
    seconds = median(row["pass_seconds"] for row in table.passes)
    rate = median(row["rate"] for row in table.passes)
    per_step = 2 if first["guidance_scale"] else 1
    floor = first["multiply_adds"] / rate
    return (
        f"Gogo decodes with {first['num_steps']} flow steps and guidance "
        f"{first['guidance_scale']:g}: {per_step * first['num_steps']} passes "
        f"of the DiT over every window of {first['frames']} frames. A pass "
        f"takes {seconds:.3g} s for "
        f"{first['multiply_adds'] / 1e9:.3g} G multiply-adds, which at the "
        f"{rate / 1e9:.3g} G/s of matrix products of the same "
        f"shapes take {floor:.3g} s."
    )


def describe_aims(table):
    """The aims of the project and the measured values."""
    lines = []
    for seconds in table.lengths:
        gogo = table.factor("gogo", "encode", seconds)
        mimi = table.factor("mimi", "encode", seconds)
        if gogo and mimi:
            lines.append(
                f"| encode, times Mimi's at {seconds:g} s | 1 | "
                f"{gogo / mimi:.2f} |"
            )
    short, long = table.lengths[0], table.lengths[-1]
    for operation in ("encode", "decode"):
        ends = [
            table.growth("gogo-file", operation, length)
            for length in (short, long)
        ]
        if short < long and None not in ends:
            lines.append(
                f"| {operation} memory, MB more at {long:g} s than at "
                f"{short:g} s | 200 | {ends[1] - ends[0]:.0f} |"
            )
    if table.passes:
        ratio = median(
            row["pass_seconds"] / (row["multiply_adds"] / row["rate"])
            for row in table.passes
        )
        lines.append(
            "| decoding pass, times its multiply-adds' time | 1.25 | "
            f"{ratio:.2f} |"
        )
    if not lines:
        return ""
    return "\n".join(["| aim | at most | found |", "|---|---|---|", *lines])
