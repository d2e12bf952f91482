"""Throughput and FLOPs utilization of the codec's training.

    python -m bench training --device cuda

Updates of Gogo's objective (Eq. 4) on noise, without reading data. The floor is the
time that the update's multiply-adds, which torch counts, take at the rate of large
matrix products on the same machine; its share of the measured time is the model
FLOPs utilization (MFU).
"""

from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import torch
import typer
from hyperpyyaml import load_hyperpyyaml
from measure import Meter
from speechbrain.utils.autocast import AMPConfig
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from speechbrain_gogo.metrics.timing import device_name

ROOT = Path(__file__).resolve().parent.parent
PRECISION = {"cuda": "bf16", "cpu": "fp32"}


def main(
    gogo: Annotated[Path, typer.Option(help="YAML of the codec.")] = ROOT
    / "hparams"
    / "gogo.yaml",
    device: str = "cuda" if torch.cuda.is_available() else "cpu",
    clips: Annotated[int, typer.Option(min=1, help="In an update.")] = 18,
    seconds: Annotated[float, typer.Option(help="Of each clip.")] = 10.0,
    updates: Annotated[int, typer.Option(min=1)] = 20,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    output: Path = ROOT / "results" / "bench" / "training.md",
):
    """Measure updates, and print and write a table."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    kind = torch.device(device).type
    dtype = AMPConfig.from_name(PRECISION[kind]).dtype
    with open(gogo) as stream:
        model = load_hyperpyyaml(stream)
    update = make_update(model, device, dtype, clips, seconds)
    meter = Meter(device, threads)
    with FlopCounterMode(display=False) as counter:
        update()
    update()  # warms up
    before = meter.rest()
    start = meter.now()
    for _ in tqdm(range(updates)):
        update()
    spent = (meter.now() - start) / updates
    memory = meter.peak() - before
    floor = counter.get_total_flops() / matrix_rate(device, dtype, meter)
    page = "\n".join(
        [
            f"{gogo.name}, {clips} clips of {seconds:g} s an update, "
            f"{device_name(device)}, {PRECISION[kind]}, {updates} updates, "
            f"torch {torch.__version__}.",
            "",
            "| s an update | s of audio a second | floor, s | MFU | "
            "MB beyond weights, gradients and optimizer |",
            "|---:|---:|---:|---:|---:|",
            f"| {spent:.3f} | {clips * seconds / spent:.1f} | {floor:.3f} | "
            f"{floor / spent:.0%} | {memory:.0f} |",
            "",
        ]
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page)
    print(page)


def make_update(model, device, dtype, clips, seconds):
    """A function without arguments that updates the objective on noise.

    With float32 as the data type there is no autocast.
    """
    objective = model["objective"].to(device).train()
    optimizer = torch.optim.AdamW(objective.parameters(), 1e-4)
    samples = round(seconds * model["sample_rate"])
    wavs = 0.1 * torch.randn(clips, samples, device=device)
    lens = torch.ones(clips, device=device)
    letters = round(15 * seconds)
    text = torch.randint(model["text_vocab"], (clips, letters), device=device)
    kind = torch.device(device).type

    def update():
        optimizer.zero_grad()
        with torch.autocast(kind, dtype, enabled=dtype != torch.float32):
            losses = objective(wavs, lens, text, lens)
        losses["loss"].backward()
        optimizer.step()

    return update


def matrix_rate(device, dtype, meter):
    """Operations a second of large matrix products."""
    size = 8192 if meter.cuda else 1024
    left, right = torch.randn(2, size, size, device=device, dtype=dtype)
    torch.mm(left, right)
    times = []
    for _ in range(10):
        start = meter.now()
        torch.mm(left, right)
        times.append(meter.now() - start)
    return 2 * size**3 / min(times)


if __name__ == "__main__":
    typer.run(main)
