"""Agreement of a cheap reward with an expensive one (Section 3.3).

    python bench/quality/cheap_rewards.py FOLDER_OF_A_CODEC --csv valid.csv --data /path/to/speech

The allocator learns from decodings with few flow steps and without guidance, which
take a sixteenth of the time of 32 steps with guidance 2. Both rank the eight budgets
of every group, with the same initial noise. The expensive reward with another noise
shows how much of the differences is random.
"""

from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import torch
import typer
from tqdm import tqdm

from speechbrain_gogo.dataio.manifests.dataset import (
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward

EXPENSIVE = {"num_steps": 32, "guidance_scale": 2.0}


def rank_correlation(first, second):
    """Spearman's correlation over the choices: [M, G] twice -> [M]."""
    ranks = [x.argsort(1).argsort(1).double() for x in (first, second)]
    centred = [rank - rank.mean(1, keepdim=True) for rank in ranks]
    norms = [rank.norm(dim=1) for rank in centred]
    return (centred[0] * centred[1]).sum(1) / (norms[0] * norms[1])


def compare(cheap, expensive, weights):
    """Agreement of two kinds of distances of the choices, [M, G].

    Gives rows of lambda_n (0 compares the distances alone); mean rank
    correlation; share of groups with the same best choice; and gain of the
    choices by the cheap reward over the best single budget, as a share of the
    largest gain, both by the expensive reward.
    """
    rows, steps = [], torch.arange(cheap.shape[1])
    for weight in weights:
        ours, theirs = (-weight * steps - x for x in (cheap, expensive))
        chosen = theirs.gather(1, ours.argmax(1, keepdim=True)).mean()
        uniform, oracle = theirs.mean(0).max(), theirs.amax(1).mean()
        gain = (chosen - uniform) / (oracle - uniform).clamp(min=1e-9)
        same = (ours.argmax(1) == theirs.argmax(1)).double().mean()
        correlation = rank_correlation(ours, theirs).mean()
        rows.append((weight, correlation.item(), same.item(), gain.item()))
    return rows


def main(
    source: str,
    csv: Annotated[Path, typer.Option(help="Manifest of clips.")],
    data: Annotated[Path, typer.Option(help="Replaces $data_root in it.")],
    clips: int = 20,
    seconds: Annotated[float, typer.Option(help="Of each, at most.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of the choice of clips.")] = 0,
    num_steps: int = 4,
    guidance_scale: float = 0.0,
    weights: Annotated[str, typer.Option(help="lambda_n.")] = "0,0.2,1.2",
    vocoder: Annotated[
        bool, typer.Option(help="Distances of audio; else of the flow's mel.")
    ] = True,
):
    """Rank the budgets of some clips' groups and print a table."""
    codec = GogoCodec.from_hparams(source)
    if not codec.sampler:
        raise ValueError(
            f"The decoder of '{source}' is no flow, so no reward is cheap: "
            "give a codec with a flow."
        )
    dataset, _ = speech_dataset(csv, data, codec.sample_rate)
    found = {"cheap": [], "expensive": [], "expensive, other noise": []}
    settings = {
        "cheap": {"num_steps": num_steps, "guidance_scale": guidance_scale},
        "expensive": EXPENSIVE,
        "expensive, other noise": EXPENSIVE,
    }
    for place, clip in enumerate(
        tqdm(list(usable_clips(dataset, clips, seed)))
    ):
        for name, sampling in settings.items():
            reward = ReconstructionReward(
                codec.codec, codec.vocoder if vocoder else None, **sampling
            )
            noise = torch.Generator().manual_seed(
                place + 10_000 * (name == "expensive, other noise")
            )
            wavs = clip["sig"][: round(seconds * codec.sample_rate)]
            wavs = wavs.unsqueeze(0)
            _, distances, _, _ = reward(wavs, torch.ones(1), noise)
            found[name].append(distances[0])
    distances = {name: torch.cat(parts) for name, parts in found.items()}
    print(
        f"{len(distances['expensive'])} groups of {len(found['expensive'])} clips"
    )
    print(
        "| compared with the expensive reward | lambda_n | rank correlation |",
        end="",
    )
    print(" same best choice | share of the possible gain |")
    print("| --- | ---: | ---: | ---: | ---: |")
    prices = [float(weight) for weight in weights.split(",")]
    for name in ("cheap", "expensive, other noise"):
        for row in compare(distances[name], distances["expensive"], prices):
            print(f"| {name} | {row[0]:g} |", end="")
            print(" | ".join(f" {value:.2f}" for value in row[1:]), "|")


if __name__ == "__main__":
    typer.run(main)
