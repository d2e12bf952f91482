"""A step of a language model against the time of reading its weights.

    python -m bench step --speech hparams/mini/gogospeech.yaml

Weights are random, since speed does not depend on them. The floor is the time of a
sum over as many bytes, measured alternately with the steps. A stage with one large
pass per group has a line for the pass and one for its small network.
"""

from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer
from codec import pin
from hyperpyyaml import load_hyperpyyaml
from measure import Meter
from tqdm import tqdm

from speechbrain_gogo.lobes.nn.int8 import Int8
from speechbrain_gogo.lobes.speech.decoding.weights import Dense
from speechbrain_gogo.metrics.timing import device_name

HERE = Path(__file__).resolve().parent
KINDS = {"float": (Dense, 4), "int8": (Int8, 1)}  # and bytes of a weight
CONTEXT = 200  # positions before the steps


def main(
    speech: Annotated[
        Path, typer.Option(help="YAML of the two stages.")
    ] = HERE.parent / "hparams" / "mini" / "gogospeech.yaml",
    batches: Annotated[
        str, typer.Option(help="Utterances at a time, with commas between.")
    ] = "1,8",
    steps: Annotated[int, typer.Option(min=1)] = 50,
    output: Path = HERE.parent / "results" / "bench" / "step.md",
):
    """Measure steps on one CPU thread, and print and write a table."""
    pin(1)
    torch.manual_seed(0)
    meter = Meter("cpu", 1)
    with open(speech) as stream:
        hparams = load_hyperpyyaml(stream)
    lines = [
        "# Steps of the language models",
        "",
        f"{device_name('cpu')}, one thread, torch {torch.__version__}; medians "
        f"of {steps} steps after {CONTEXT} positions, in ms.",
        "",
        "| pass | weights | batch | step | reading | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for batch in map(int, batches.split(",")):
        for kind, (linear, size) in KINDS.items():
            for stage in (hparams["stage1"], hparams["stage2"]):
                for name, count, call in passes(stage.eval(), batch, linear):
                    step, floor = measure(call, count * size, steps, meter)
                    lines.append(
                        f"| {name} | {kind} | {batch} | {step * 1e3:.2f} | "
                        f"{floor * 1e3:.2f} | {step / floor:.2f} |"
                    )
    page = "\n".join(lines) + "\n"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page)
    print(page)


def passes(stage, batch, linear):
    """The timed calls of a stage.

    Arguments
    ---------
    stage : torch.nn.Module
        Stage I or II, by token or by group.
    batch : int
        Utterances.
    linear : callable
        Class of the matrix products, such as Dense.

    Yields
    ------
    tuple
        Name, number of weights that are read, and a function.
    """
    decoder = stage.decoder(batch, 2 * CONTEXT, linear=linear)
    blocks = sum(weight.numel() for weight in stage.llama.parameters())
    name = f"Stage {'I' * stage.stage}"
    if hasattr(stage, "depth"):
        dim = stage.sizes["dim"]
        decoder.step(torch.randn(batch, CONTEXT, dim), None)
        x = torch.randn(batch, 1, dim)
        yield f"{name}, group", blocks, lambda: decoder.step(x, None)
        depth = stage.depth
        read = sum(weight.numel() for weight in depth.blocks.parameters())
        read += depth.heads[0].numel()
        tokens = torch.zeros(batch, depth.first, dtype=torch.long)
        call = decoder.depth.log_probs
        yield f"{name}, token", read, lambda: call(x[:, 0], tokens)
        return
    decoder.step(torch.zeros(batch, CONTEXT, dtype=torch.long))
    blocks -= stage.llama.get_input_embeddings().weight.numel()
    rows = stage.output_slice.stop - stage.output_slice.start
    count = blocks + rows * stage.llama.config.hidden_size
    ids = torch.zeros(batch, 1, dtype=torch.long)
    yield f"{name}, token", count, lambda: decoder.step(ids)


def measure(call, size, steps, meter):
    """Median seconds of a call and of reading a number of bytes, alternately."""
    block = torch.zeros(size // 4)
    spent = {"call": [], "read": []}
    for _ in tqdm(range(steps), leave=False):
        for name, action in (("call", call), ("read", block.sum)):
            start = meter.now()
            action()
            spent[name].append(meter.now() - start)
    return median(spent["call"]), median(spent["read"])


if __name__ == "__main__":
    typer.run(main)
