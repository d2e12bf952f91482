"""Speed and memory of Gogo, EnCodec, DAC and Mimi.

    python bench/codec.py --lengths 10,60,1800 --rounds 3

Every measurement has its own process (measure.py). In each round all codecs are
measured, so that other work on the machine affects all of them. parts/bench_report.py
writes the results.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from parts.bench_report import write_report
from parts.bench_systems import SYSTEMS, Gogo
from tqdm import tqdm

HERE = Path(__file__).resolve().parent


def main(
    gogo: Annotated[Path, typer.Option(help="YAML of Gogo.")] = HERE
    / "gogo.yaml",
    lengths: Annotated[
        str, typer.Option(help="Seconds of audio, with commas between.")
    ] = "10,60,1800",
    systems: Annotated[
        str, typer.Option(help="Codecs, with commas between.")
    ] = ",".join(SYSTEMS),
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    device: str = "cpu",
    max_peer_seconds: Annotated[
        float,
        typer.Option(
            help="Longer audio is measured in one round, and for codecs that "
            "stream: the others take up to 36 MB more per second."
        ),
    ] = 60.0,
    full_steps_seconds: Annotated[
        float,
        typer.Option(
            help="Longer audio, and audio in files, is decoded with one flow "
            "step, and the time of the others is added."
        ),
    ] = 10.0,
    output: Path = HERE.parent / "results" / "bench" / "codec.md",
):
    """Measure codecs, and print and write a table."""
    names = systems.split(",")
    unknown = sorted(set(names) - set(SYSTEMS))
    if unknown:
        raise typer.BadParameter(
            f"No such codec: {', '.join(unknown)}. There are "
            f"{', '.join(SYSTEMS)}."
        )
    seconds = sorted(float(length) for length in lengths.split(","))
    pin(threads)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            SYSTEMS[name].prepare(Path(folder), gogo)
        common = {"folder": folder, "device": device, "threads": threads}
        jobs = list(
            plan(names, seconds, rounds, max_peer_seconds, full_steps_seconds)
        )
        found = []
        for job in tqdm(jobs):
            found.append({**job, **run({**common, **job})})
    setting = {
        "device": device,
        "threads": threads,
        "rounds": rounds,
        "max_peer_seconds": max_peer_seconds,
    }
    print(write_report(found, names, setting, output))


def plan(names, lengths, rounds, max_peer_seconds, full_steps_seconds):
    """The measurements in the order in which they are taken.

    Audio longer than ``max_peer_seconds`` is measured in one round, and not for
    codecs that hold it in memory; audio longer than ``full_steps_seconds`` is
    decoded with one flow step. Yields dicts of "system", "operation", "seconds"
    and "steps" (None for all).
    """
    for turn in range(rounds):
        for seconds in lengths:
            long = seconds > max_peer_seconds
            if long and turn > 0:
                continue
            for operation in ("encode", "decode"):
                for name in names:
                    if long and not SYSTEMS[name].streams:
                        continue
                    yield {
                        "system": name,
                        "operation": operation,
                        "seconds": seconds,
                        "steps": flow_steps(
                            name, operation, seconds > full_steps_seconds
                        ),
                    }
        if "gogo" in names:
            yield {"system": "gogo", "operation": "pass"}


def flow_steps(name, operation, long):
    """1 flow step if all would take hours, else None for all."""
    flows = operation == "decode" and issubclass(SYSTEMS[name], Gogo)
    return 1 if flows and (long or SYSTEMS[name].streams) else None


def pin(threads):
    """Limit this process and its children to a number of cores and threads."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise typer.BadParameter(
            f"--threads {threads}: this process may use {len(cores)} core(s)."
        )
    # Systems handle interrupts on the first cores.
    os.sched_setaffinity(0, cores[-threads:])
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)


def run(job):
    """Run a job in a new process, and return its results."""
    command = [sys.executable, str(HERE / "measure.py"), json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(
            f"{job} ended with {done.returncode} (-9 is a machine out of "
            f"memory: lower --max-peer-seconds):\n{done.stderr[-2000:]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    typer.run(main)
