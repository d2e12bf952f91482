"""Share of the tokens that change with a lower precision of products.

    python bench/quality/token_flips.py gogo-mini --csv valid.csv --data /path/to/speech

It runs on a CPU and rounds the factors of all products as GPUs do: to 10 bits of
mantissa for TF32, to 7 for bf16. Biases are rounded too. "fp32, summed otherwise"
rounds to 22 bits instead of changing the order of sums. A codec encodes in full
float32 precision unless its run options say otherwise.
"""

from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import torch
import typer
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from speechbrain_gogo.dataio.manifests.dataset import (
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.inference import GogoCodec

PRODUCTS = {
    F.linear,
    F.conv1d,
    F.scaled_dot_product_attention,
    torch.matmul,
    torch.bmm,
    torch.Tensor.matmul,
    torch.Tensor.__matmul__,
}
MANTISSAS = {"fp32, summed otherwise": 22, "tf32": 10, "bf16": 7}


class RoundedFactors(TorchFunctionMode):
    """Rounds the factors of products to a number of mantissa bits.

    Example
    -------
    >>> with RoundedFactors(bits=2):
    ...     (torch.tensor([[1.3]]) @ torch.tensor([[1.0]])).item()
    1.25
    """

    def __init__(self, bits):
        super().__init__()
        self.dropped = 23 - bits

    def round(self, x):
        """float32 [...] -> the nearest with so few bits; others unchanged."""
        if not torch.is_tensor(x) or x.dtype != torch.float32:
            return x
        half = 1 << (self.dropped - 1)
        cut = (x.contiguous().view(torch.int32) + half) & -(1 << self.dropped)
        return cut.view(torch.float32)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call a function of torch, a product with rounded factors."""
        if func in PRODUCTS:
            args = [self.round(x) for x in args]
        return func(*args, **(kwargs or {}))


def flipped_shares(codec, batches):
    """Share of the tokens that each kind of rounding changes, for each level.

    The codec is on a CPU, in fp32; batches are waveforms [B, T].
    """
    flips = {name: [] for name in MANTISSAS}
    for wavs in batches:
        plain, _ = codec.encode_batch(wavs)  # [B, N, K]
        for name, bits in MANTISSAS.items():
            with RoundedFactors(bits):
                rounded, _ = codec.encode_batch(wavs)
            flips[name].append((rounded != plain).flatten(0, 1))
    return {
        name: torch.cat(parts).float().mean(0).tolist()
        for name, parts in flips.items()
    }


def main(
    source: str,
    csv: Annotated[Path, typer.Option(help="Manifest of clips.")],
    data: Annotated[Path, typer.Option(help="Replaces $data_root in it.")],
    clips: int = 10,
):
    """Encode some clips and print a table."""
    codec = GogoCodec.from_hparams(source)
    dataset, _ = speech_dataset(csv, data, codec.sample_rate)
    chosen = usable_clips(dataset, clips, seed=0)
    found = flipped_shares(codec, (c["sig"].unsqueeze(0) for c in chosen))
    levels = range(1, codec.num_codebooks + 1)
    print("| % of tokens | all |", *[f"{level} |" for level in levels])
    print("| --- |" + " ---: |" * (1 + codec.num_codebooks))
    for name, shares in found.items():
        every = [sum(shares) / len(shares), *shares]
        print(f"| {name} |", *[f"{100 * share:.2f} |" for share in every])


if __name__ == "__main__":
    typer.run(main)
