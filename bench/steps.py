"""A step of a language model over its lower bound, and groups per second.

    python -m bench steps --layers 16

A step of a Llama of the paper's width with random weights, for 1 and 8 utterances:
its time over the time of reading its matrices at the memory bandwidth that is
measured beside it. Then groups per second of the first stage of a model, for as
many utterances, without encoding and decoding of audio. One thread, CPU time.
"""

from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from codec import pin
from measure import Meter
from parts.speech_parts import bandwidth
from tqdm import tqdm

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.lobes.nn.int8 import Int8
from speechbrain_gogo.lobes.nn.llama import Llama
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.decoding.cached_llama import CachedLlama
from speechbrain_gogo.lobes.speech.decoding.llama_weights import LlamaWeights
from speechbrain_gogo.lobes.speech.decoding.weights import Dense
from speechbrain_gogo.lobes.speech.generation import generate_backbone
from speechbrain_gogo.metrics.timing import device_name

ROOT = Path(__file__).resolve().parent.parent
LLAMA = {
    "dim": 2048,
    "num_heads": 32,
    "ffn_dim": 8192,
    "num_key_value_heads": 8,
}
BATCHES = 1, 8
CONTEXT, STEPS = 100, 15  # positions before the measured steps, and these
GROUPS, PROMPT, TEXT = 40, 14, 60  # groups, those of the prompt, ids of text
LINEAR = {"float": Dense, "int8": Int8}


def main(
    layers: Annotated[
        int, typer.Option(help="Of the Llama, 16 in the paper.")
    ] = 16,
    weights: Annotated[Literal["float", "int8"], typer.Option()] = "int8",
    source: Annotated[
        str, typer.Option(help="Folder of GogoSpeech, or a bundled name.")
    ] = "gogo-mini",
    rounds: Annotated[
        int, typer.Option(min=1, help="The fastest counts.")
    ] = 10,
    output: Path = ROOT / "results" / "bench" / "steps.md",
):
    """Measure, and print and write a table."""
    pin(1)
    torch.manual_seed(0)
    meter = Meter("cpu", 1)
    lines = [
        f"{device_name('cpu')}, one thread, {weights}, torch {torch.__version__}; "
        f"fastest of {rounds} rounds.",
        "",
        "| utterances | step, ms | times the reading | times of one |"
        f" {source}: groups per second | times of one |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    step, reading = llama_steps(layers, LINEAR[weights], meter, rounds)
    group = stage_groups(source, LINEAR[weights], meter, rounds)
    lines += [
        f"| {batch} | {1000 * step[batch]:.1f} | {step[batch] / reading[batch]:.2f} "
        f"| {step[batch] / step[1]:.2f} | {batch / group[batch]:.1f} "
        f"| {group[batch] / group[1]:.2f} |"
        for batch in BATCHES
    ]
    page = "\n".join(lines) + "\n"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page)
    print(page)


@torch.inference_mode()
def llama_steps(layers, linear, meter, rounds):
    """Seconds of a step, and of reading the weights once, for each batch."""
    model = Llama(num_layers=layers, **LLAMA).eval()
    count = sum(p.numel() for p in model.parameters())
    size = count if linear is Int8 else 4 * count
    weights = LlamaWeights.of(model, linear)
    del model
    found = {batch: [] for batch in BATCHES}
    reading = {batch: [] for batch in BATCHES}
    for _ in tqdm(range(rounds), "steps"):
        for batch in BATCHES:
            cache = CachedLlama(weights, batch, CONTEXT + STEPS)
            cache.step(torch.randn(batch, CONTEXT, LLAMA["dim"]))
            x = torch.randn(batch, 1, LLAMA["dim"])
            start = meter.now()
            for _ in range(STEPS):
                cache.step(x)
            found[batch].append((meter.now() - start) / STEPS)
            rate = bandwidth("cpu", meter, min(size, 2**29), repeats=3)
            reading[batch].append(size / rate)
    return tuple(
        {batch: min(times) for batch, times in table.items()}
        for table in (found, reading)
    )


def stage_groups(source, linear, meter, rounds):
    """Seconds in which a group of every utterance is predicted, for each batch."""
    speech = GogoSpeech.from_hparams(source, run_opts={"device": "cpu"})
    lm, sampling = speech.mods.stage1, speech.hparams.sampling
    weights = lm.weights(linear)
    found = {batch: [] for batch in BATCHES}
    for _ in tqdm(range(rounds), "groups"):
        for batch in BATCHES:
            ones = torch.ones(batch)
            shape = batch, PROMPT, speech.codec.num_codebooks
            prompt = torch.randint(lm.codebook_size, shape)
            groups = generate_backbone(
                lm,
                torch.randint(1, 60, (batch, TEXT)),
                ones,
                prompt,
                ones,
                Sampler(range(batch), **sampling),
                max_groups=GROUPS,
                loop_groups=GROUPS,
                decoder=lm.decoder(1, 1, weights=weights),  # it grows
            )
            next(groups)  # reads text and prompt
            start, count = meter.now(), 0
            for _ in groups:
                count += 1
            found[batch].append((meter.now() - start) / count)
    return {batch: min(times) for batch, times in found.items()}


if __name__ == "__main__":
    typer.run(main)
