"""Passes and time of each sampler with a network of the paper's size.

    python -m bench sampler_times --seconds 2

Weights are random, since times do not depend on them. Times are those of the flow
alone on one thread, in total and per pass.
"""

from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from codec import pin
from hyperpyyaml import load_hyperpyyaml
from measure import Meter
from quality.samplers import ROOT, count_passes, samplers, use
from tqdm import tqdm

from speechbrain_gogo.lobes.nn.int8 import use_int8
from speechbrain_gogo.metrics.timing import device_name


def main(
    gogo: Annotated[Path, typer.Option(help="YAML of the codec.")] = ROOT
    / "hparams"
    / "gogo.yaml",
    seconds: Annotated[float, typer.Option(help="Length of the audio.")] = 2.0,
    most_passes: Annotated[
        int, typer.Option(help="Leave out samplers with more passes.")
    ] = 64,
    weights: Annotated[
        Literal["float", "int8"],
        typer.Option(help="Those of the flow's linear layers."),
    ] = "float",
    output: Path = ROOT / "results" / "bench" / "sampler_times.md",
):
    """Time each sampler, and print and write a table."""
    pin(1)
    torch.manual_seed(0)
    with open(gogo) as stream:
        flow = load_hyperpyyaml(stream)["flow"].eval()
    frames = round(seconds * 93.75)
    cond = torch.randn(1, frames, flow.backbone.cond_dim)
    noise = torch.randn(1, frames, flow.backbone.n_mels)
    if weights == "int8":
        use_int8(flow.backbone)
    meter, rows = Meter("cpu", 1), []
    flow.sample(cond, noise=noise, num_steps=1)
    for name, settings in tqdm(samplers().items()):
        use(flow, settings)
        passes = count_passes(flow)
        if passes > most_passes:
            continue
        start = meter.now()
        flow.sample(cond, noise=noise)
        spent = meter.now() - start
        rows.append((name, passes, spent / seconds, spent / passes))
    lines = [
        f"{gogo.name}, {seconds:g} s of audio, guidance {flow.guidance_scale:g}, "
        f"{device_name('cpu')}, one thread, {weights}, torch {torch.__version__}.",
        "",
        "| sampler | passes | RTF | s a pass |",
        "|---|---:|---:|---:|",
    ]
    lines += [f"| {n} | {p} | {rtf:.2f} | {s:.3f} |" for n, p, rtf, s in rows]
    page = "\n".join(lines) + "\n"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page)
    print(page)


if __name__ == "__main__":
    typer.run(main)
