"""Speed of GogoSpeech: Table 3's protocol, and the floor beneath it.

    python bench/speech.py --device cuda

A 47-character sentence is spoken again and again, in the voice of a prompt of
three seconds; weights are random, since speed does not depend on them. One
token costs one reading of the weights, so the floor is their bytes over the
memory bandwidth that is measured beside.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from bench_report import cpu_name
from codec import pin
from measure import Meter
from speech_parts import (
    PROMPT_SECONDS,
    Parts,
    bandwidth,
    bytes_per_token,
    load_codec,
    load_stages,
)
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
HPARAMS = HERE.parent / "hparams"
# Llama-3.2-1B-Instruct without its weights.
LLAMA = {"llama": str(HERE / "llama-3.2-1b"), "pretrained": False}

# 47 characters at 15 characters a second.
SECONDS = 3.2
# 36 tokens a second, the allocator's average in the paper, are 7.7 a group.
ALLOCATED = (10, 5, 8, 7, 10, 6)
PAPER = {"all tokens": 0.535, "allocated": 0.455}  # Table 3, on an H100
AIM = 0.10


def main(
    speech: Annotated[
        Path, typer.Option(help="YAML of the two stages.")
    ] = HPARAMS / "gogospeech.yaml",
    gogo: Annotated[Path, typer.Option(help="YAML of the codec.")] = HERE
    / "gogo.yaml",
    device: str = "cuda" if torch.cuda.is_available() else "cpu",
    dtype: Annotated[
        str, typer.Option(help="Of the stages; bfloat16 on a GPU by default.")
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option(help="Compile the stages' steps; on a GPU by default."),
    ] = None,
    batches: Annotated[
        str, typer.Option(help="Utterances at a time, with commas between.")
    ] = "1,8",
    trials: Annotated[int, typer.Option(min=1)] = 100,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    first_groups: Annotated[
        int, typer.Option(min=1, help="Groups of the first piece of audio.")
    ] = 4,
    output: Path = HERE.parent / "results" / "bench" / "speech.md",
):
    """Measure GogoSpeech, and print and write a table."""
    on_gpu = torch.device(device).type == "cuda"
    if not on_gpu:
        pin(threads)
    dtype = dtype or ("bfloat16" if on_gpu else "float32")
    compiled = on_gpu if compiled is None else compiled
    torch.manual_seed(0)
    meter = Meter(device, threads)
    with tempfile.TemporaryDirectory() as folder:
        codec = load_codec(gogo, Path(folder), device)
    stages, sampling = load_stages(speech, LLAMA, device, getattr(torch, dtype))
    groups = round(SECONDS * codec.group_rate)
    rows = []
    for batch in [int(number) for number in batches.split(",")]:
        parts = Parts(stages, codec, sampling, batch, groups, compiled)
        for name, pattern in (("all tokens", (10,)), ("allocated", ALLOCATED)):
            budgets = spread(pattern, groups, batch)
            fine = budgets - 3
            row = {
                "batch": batch,
                "name": name,
                "passes": [3 * groups, int(fine.amax(1).sum())],
                "tokens": [3 * groups * batch, int(fine.sum())],
            }
            found = measure(
                parts, budgets.to(device), first_groups, trials, meter
            )
            rows.append({**row, **found})
    machine = {
        "name": torch.cuda.get_device_name(device) if on_gpu else cpu_name(),
        "dtype": dtype,
        "compiled": compiled,
        "trials": trials,
        "bandwidth": bandwidth(device, meter, 2 * 10 ** (9 if on_gpu else 8)),
        "bytes": [bytes_per_token(lm) for lm in stages],
    }
    page = describe(rows, machine, groups / codec.group_rate, first_groups)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page)
    print(page)


def spread(pattern, groups, batch):
    """Budgets int64 [groups, batch] that repeat a pattern, rows shifted."""
    place = torch.arange(groups)[:, None] + torch.arange(batch)
    return torch.tensor(pattern)[place % len(pattern)]


def measure(parts, budgets, first_groups, trials, meter):
    """Mean seconds of each part and of the whole.

    Arguments
    ---------
    parts : Parts
        What is timed.
    budgets : torch.Tensor
        Tokens of each group, int64 [groups, batch].
    first_groups : int
        Groups of the first piece of audio.
    trials : int
        How often.
    meter : Meter
        Of the parts' device.

    Returns
    -------
    dict
        Seconds by the name of the part.
    """
    backbone = parts.speak()
    tokens = parts.fill(backbone, budgets)
    calls = {
        "encode": parts.encode,
        "stage1": parts.speak,
        "stage2": lambda: parts.fill(backbone, budgets),
        "decode": lambda: parts.decode(tokens),
        "utterance": lambda: parts.utterance(budgets),
        "first": lambda: parts.utterance(budgets[:first_groups]),
    }
    found = {}
    for name, call in calls.items():
        call()
        start = meter.now()
        for _ in tqdm(range(trials), desc=name, leave=False):
            call()
        found[name] = (meter.now() - start) / trials
    return found


def describe(rows, machine, seconds, first_groups):
    """The page.

    Arguments
    ---------
    rows : list of dict
        Seconds of the parts, with "batch", "name", and "passes" and "tokens"
        of both stages.
    machine : dict
        "name", "dtype", "compiled", "trials", "bandwidth", and "bytes" that a
        pass of each stage reads.
    seconds : float
        Audio of an utterance.
    first_groups : int
        Groups of the first piece of audio.

    Returns
    -------
    str
        Markdown.
    """
    speeds = [machine["bandwidth"] / size for size in machine["bytes"]]
    lines = [
        "# GogoSpeech benchmark",
        "",
        f"{machine['name']}; stages in {machine['dtype']}"
        f"{', compiled' if machine['compiled'] else ''}, codec in float32; "
        f"means of {machine['trials']} trials; torch {torch.__version__}. "
        f"A sentence of 47 characters, {seconds:.1f} s, after a prompt of "
        f"{PROMPT_SECONDS:g} s; random weights.",
        "",
        "| utterances | tokens | RTF | floor | paper, H100 | first audio, s "
        "| Stage I, tokens/s | times floor | Stage II, tokens/s "
        "| times floor | encode, s | decode, s |",
        "|" + "---|" * 12,
        *[describe_row(row, speeds, seconds) for row in rows],
        "",
        "RTF: seconds of computing per second of audio, the prompt's encoding "
        "and the flow's decoding included. Floor: what reading the weights "
        "takes, once a pass: "
        f"{machine['bytes'][0] / 1e6:.0f} MB (Stage I) and "
        f"{machine['bytes'][1] / 1e6:.0f} MB (Stage II) at the "
        f"{machine['bandwidth'] / 1e9:.0f} GB/s of a plain sum over memory, "
        f"or {speeds[0]:.0f} and {speeds[1]:.0f} passes a second. First audio: "
        f"from the call until {first_groups} groups are heard. Allocated: "
        f"budgets of {sum(ALLOCATED) / len(ALLOCATED):.1f} tokens a group on "
        "average; in a batch the largest one counts.",
        "",
        "| aim | at most | found |",
        "|---|---|---|",
        f"| RTF, one utterance, all tokens | {AIM} | "
        f"{rows[0]['utterance'] / seconds:.3f} |",
    ]
    return "\n".join(lines) + "\n"


def describe_row(row, speeds, seconds):
    """A line of the table: one batch size and kind of budget."""
    batch = row["batch"]
    least = [n / speed for n, speed in zip(row["passes"], speeds)]
    cells = [
        str(batch),
        row["name"],
        f"{row['utterance'] / seconds / batch:.3f}",
        f"{sum(least) / seconds / batch:.3f}",
        f"{PAPER[row['name']]}" if batch == 1 else "",
        f"{row['first']:.3f}",
    ]
    for stage, count, floor in zip((1, 2), row["tokens"], least):
        spent = row[f"stage{stage}"]
        cells += [f"{count / spent:.0f}", f"{spent / floor:.2f}"]
    cells += [f"{row['encode']:.3f}", f"{row['decode']:.3f}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    typer.run(main)
