"""Cost of masks and padding in the training of the DiT.

    python -m bench attention

Forward and backward passes of the flow decoder over one batch: clips of equal length
without and with a mask; clips of a bucket, padded and masked; and the same clips one
after the other, which is an upper bound of what packing without padding could save.
"""

import time

import torch
import typer

from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.metrics.timing import device_name


def passes(dit, clips, lens=None):
    """Processor time of a forward and a backward pass over batches."""
    start = time.process_time()
    for mel, cond in clips:
        dit(mel, cond, torch.zeros(len(mel)), lens).square().mean().backward()
    dit.zero_grad()
    return time.process_time() - start


def main(
    dim: int = 256,
    layers: int = 4,
    frames: int = 470,
    clips: int = 4,
    shortest: float = 0.9,
    repeats: int = 5,
):
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dit = DiT(100, dim, dim, layers, dim // 64)
    mel, cond = torch.randn(clips, frames, 100), torch.randn(clips, frames, dim)
    lens = torch.linspace(1, shortest, clips)
    equal = torch.ones(clips)
    counts = (lens * frames).round().int().tolist()
    single = [
        (mel[i : i + 1, :count], cond[i : i + 1, :count])
        for i, count in enumerate(counts)
    ]
    rows = {
        "equal lengths, no mask": ([(mel, cond)], None),
        "equal lengths, mask": ([(mel, cond)], equal),
        f"{shortest:.0%} to 100 %, padded, mask": ([(mel, cond)], lens),
        "the same clips one by one, no mask": (single, None),
    }
    spent = {name: [] for name in rows}
    for _ in range(repeats + 1):  # alternately: the machine may be busy
        for name, given in rows.items():
            spent[name].append(passes(dit, *given))
    best = {name: min(times[1:]) for name, times in spent.items()}
    first = next(iter(best.values()))
    print(
        f"{clips} clips of {frames} frames, {device_name('cpu')}, one thread\n"
    )
    print("| batch | seconds | ratio |\n| --- | ---: | ---: |")
    for name, seconds in best.items():
        print(f"| {name} | {seconds:.3f} | {seconds / first:.2f} |")


if __name__ == "__main__":
    typer.run(main)
