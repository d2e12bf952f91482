"""Time and memory of a model over the length and the number of utterances.

    python -m bench scale --lengths 1,10,100,1000 --batches 1,4,16,64

Encoding and decoding of one recording, from file to file, and synthesis of
concurrent requests. Every point is measured in its own process, since freed memory
would hide the growth of the next; megabytes are the peak above the loaded model.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from codec import pin
from matplotlib.figure import Figure
from measure import Meter
from parts.bench_systems import noise, write_noise
from parts.speech_parts import PROMPT_TEXT
from tqdm import tqdm

from speechbrain_gogo.inference import GogoCodec, GogoSpeech
from speechbrain_gogo.metrics.timing import SENTENCE, device_name

ROOT = Path(__file__).resolve().parent.parent
UNITS = {"reconstruct": "seconds of audio", "speak": "utterances"}


def main(
    source: Annotated[
        str, typer.Option(help="Folder of GogoSpeech, or a bundled name.")
    ] = "gogo-mini",
    lengths: Annotated[
        str, typer.Option(help="Seconds of audio, with commas between.")
    ] = "1,10,100,1000",
    batches: Annotated[
        str, typer.Option(help="Utterances at a time, with commas between.")
    ] = "1,4,16,64",
    output: Path = ROOT / "results" / "bench" / "scale",
    point: Annotated[str, typer.Option(hidden=True)] = None,
):
    """Measure all points, and write a table and a picture."""
    if point is not None:
        operation, size = point.split(",")
        print(json.dumps(OPERATIONS[operation](source, float(size))))
        return
    points = [("reconstruct", size) for size in lengths.split(",")]
    points += [("speak", size) for size in batches.split(",")]
    rows = []
    for operation, size in tqdm(points):
        command = [sys.executable, "-W", "ignore", __file__, "--source", source]
        command += ["--point", f"{operation},{size}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{operation} of {size}:\n{done.stderr}")
        found = json.loads(done.stdout.splitlines()[-1])
        rows.append({"operation": operation, "size": float(size), **found})
    output.mkdir(parents=True, exist_ok=True)
    with open(output / "scale.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, output / "scale.png")
    print((output / "scale.csv").read_text())
    print(f"{source}, {device_name('cpu')}, one thread")


def measured(action, seconds_of):
    """Time of an action relative to its audio, and its memory."""
    meter = Meter("cpu", 1)
    before = meter.rest()
    start = meter.now()
    found = action()
    spent = meter.now() - start
    return {"rtf": spent / seconds_of(found), "mb": meter.peak() - before}


def reconstruct(source, seconds):
    """Encode and decode a recording, from file to file, with all tokens."""
    pin(1)
    codec = GogoCodec.from_hparams(source, run_opts={"device": "cpu"})
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "in.wav", Path(folder) / "out.wav"
        torch.manual_seed(0)
        write_noise(before, seconds, codec.sample_rate)
        codec.encode_batch(torch.zeros(1, codec.sample_rate))  # warm
        return measured(
            lambda: codec.reconstruct_file(before, after), lambda _: seconds
        )


def speak(source, batch):
    """The same sentence in the same voice, for concurrent requests."""
    pin(1)
    speech = GogoSpeech.from_hparams(source, run_opts={"device": "cpu"})
    torch.manual_seed(0)
    prompt = noise(3, speech.sample_rate)[0]
    requests = [(SENTENCE, prompt, PROMPT_TEXT)] * int(batch)
    speech.clone_voice(*requests[0])  # warm

    def seconds_of(found):
        return sum(len(said.wav) for said in found) / speech.sample_rate

    return measured(lambda: speech.clone_voice_batch(requests), seconds_of)


OPERATIONS = {"reconstruct": reconstruct, "speak": speak}


def draw(rows, path):
    """The picture: real-time factor and memory over size, of both operations."""
    figure = Figure(figsize=(9, 6))
    axes = figure.subplots(2, 2)
    for column, (operation, unit) in enumerate(UNITS.items()):
        line = [row for row in rows if row["operation"] == operation]
        for axis, key in zip(axes[:, column], ("rtf", "mb")):
            axis.plot(*([row[k] for row in line] for k in ("size", key)), "o-")
            axis.set(xscale="log", xlabel=unit, ylabel=key.upper())
            axis.set_ylim(bottom=0)
        axes[0, column].set_title(operation)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    typer.run(main)
