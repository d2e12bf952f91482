"""Speed of GogoSpeech by the protocol of Table 3, and its lower bound.

    python bench/speech.py --device cuda

A sentence of 47 characters is synthesized repeatedly, in the voice of a prompt of
three seconds, with random weights. A pass reads all weights once, so the lower bound
of its time is their size divided by the memory bandwidth, which is measured as well.
parts/speech_parts.py defines the timed parts.
"""

from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import torch
import typer
from codec import pin
from measure import Meter
from parts.speech_parts import (
    PROMPT_SECONDS,
    Trial,
    bandwidth,
    bytes_per_token,
    random_speech,
)

from speechbrain_gogo.metrics.timing import device_name, mean_seconds

HERE = Path(__file__).resolve().parent
PAPER = {False: 0.535, True: 0.455}  # Table 3 on an H100: with the allocator?
AIM = 0.10
PARTS = "answer", "first", "encode", "stage1", "stage2", "decode"


def main(
    speech: Annotated[
        Path, typer.Option(help="YAML of the two stages.")
    ] = HERE.parent / "hparams" / "gogospeech.yaml",
    gogo: Annotated[Path, typer.Option(help="YAML of the codec.")] = HERE
    / "gogo.yaml",
    device: str = "cuda" if torch.cuda.is_available() else "cpu",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16 or fp16; bf16 on a GPU by default.")
    ] = None,
    compiled: Annotated[
        bool, typer.Option(help="Compile the stages' steps on a GPU.")
    ] = True,
    batches: Annotated[
        str, typer.Option(help="Requests at a time, with commas between.")
    ] = "1,8",
    trials: Annotated[int, typer.Option(min=1)] = 100,
    steps: Annotated[
        int, typer.Option(help="Of the flow; the codec's own by default.")
    ] = None,
    weights: Annotated[str, typer.Option(help="float, or int8.")] = "float",
    threads: Annotated[int, typer.Option(min=1)] = 1,
    output: Path = HERE.parent / "results" / "bench" / "speech.md",
):
    """Measure GogoSpeech, and print and write a table."""
    on_gpu = torch.device(device).type == "cuda"
    if not on_gpu:
        pin(threads)
    precision = precision or ("bf16" if on_gpu else "fp32")
    torch.manual_seed(0)
    meter = Meter(device, threads)
    model = random_speech(speech, gogo, device, precision, compiled, weights)
    flow = model.codec.codec.flow
    flow.num_steps = steps or flow.num_steps
    rows = []
    for batch in [int(number) for number in batches.split(",")]:
        for allocate in (False, True):
            trial = Trial(model, batch, allocate)
            rows.append(count(trial) | measure(trial, trials, meter))
    machine = {
        "name": device_name(device),
        "precision": precision if weights == "float" else weights,
        "compiled": compiled and on_gpu,
        "trials": trials,
        "steps": flow.num_steps,
        "megabytes": meter.peak(),
        "bandwidth": bandwidth(device, meter, 2 * 10 ** (9 if on_gpu else 8)),
        "bytes": [bytes_per_token(lm, weights) for lm in model.mods.values()],
    }
    page = describe(rows, machine)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page)
    print(page)


def count(trial):
    """Requests, seconds of audio, tokens and passes of a trial."""
    b = trial.codec.backbone_size
    fine = trial.budgets - b  # [B, N]
    return {
        "batch": len(fine),
        "allocate": trial.allocate,
        "seconds": trial.seconds,
        "tokens": (b * fine.numel(), int(fine.sum())),
        "passes": (b * fine.shape[1], int(fine.amax(0).sum())),
    }


def measure(trial, repeats, meter):
    """Mean seconds of a trial and of its parts, by name."""
    return {
        name: mean_seconds(getattr(trial, name), repeats, meter, name)
        for name in PARTS
    }


def describe(rows, machine):
    """The page in Markdown, of rows from :func:`count` and :func:`measure`.

    The machine has "name", "precision", "compiled", "trials", "steps" of the
    flow, "megabytes", "bandwidth", and "bytes" that a pass of each stage reads.
    """
    speeds = [machine["bandwidth"] / size for size in machine["bytes"]]
    seconds = rows[0]["seconds"]
    rate = sum(rows[-1]["tokens"]) / rows[-1]["seconds"]
    compiled = ", steps compiled" if machine["compiled"] else ""
    lines = [
        "# GogoSpeech benchmark",
        "",
        f"{machine['name']}; {machine['precision']}{compiled}; means of "
        f"{machine['trials']} trials; torch {torch.__version__}. A sentence "
        f"of 47 characters, {seconds / rows[0]['batch']:.1f} s, after a "
        f"prompt of {PROMPT_SECONDS:g} s, {machine['steps']} flow steps; "
        "random weights.",
        "",
        "| requests | tokens | RTF | floor | paper, H100 | first audio, s "
        "| Stage I, tokens/s | times floor | Stage II, tokens/s "
        "| times floor | encode, s | decode, s |",
        "|" + "---|" * 12,
        *[describe_row(row, speeds) for row in rows],
        "",
        "RTF: seconds of computing per second of audio, the prompt's encoding "
        "and the flow's decoding included. Floor: what reading the weights "
        "takes, once a pass: "
        f"{machine['bytes'][0] / 1e6:.0f} MB (Stage I) and "
        f"{machine['bytes'][1] / 1e6:.0f} MB (Stage II) at the "
        f"{machine['bandwidth'] / 1e9:.0f} GB/s of a plain sum over memory, "
        f"or {speeds[0]:.0f} and {speeds[1]:.0f} passes a second. First audio: "
        "from one streaming call until its first piece. Allocated: an "
        f"allocator spends {rate:.0f} tokens a second; of a batch, the "
        "largest budget counts. Memory: at most "
        f"{machine['megabytes']:.0f} MB, with loading and all that was "
        "measured.",
        "",
        "| aim | at most | found |",
        "|---|---|---|",
        f"| RTF, {rows[0]['batch']} request(s), all tokens | {AIM} | "
        f"{rows[0]['answer'] / seconds:.3f} |",
    ]
    return "\n".join(lines) + "\n"


def describe_row(row, speeds):
    """A line of the table: one batch size, with or without allocator."""
    least = [n / speed for n, speed in zip(row["passes"], speeds)]
    cells = [
        str(row["batch"]),
        "allocated" if row["allocate"] else "all",
        f"{row['answer'] / row['seconds']:.3f}",
        f"{sum(least) / row['seconds']:.3f}",
        f"{PAPER[row['allocate']]}" if row["batch"] == 1 else "",
        f"{row['first']:.3f}",
    ]
    spent = row["stage1"], row["stage2"]
    for tokens, seconds, floor in zip(row["tokens"], spent, least):
        cells += [f"{tokens / seconds:.0f}", f"{seconds / floor:.2f}"]
    cells += [f"{row['encode']:.3f}", f"{row['decode']:.3f}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    typer.run(main)
