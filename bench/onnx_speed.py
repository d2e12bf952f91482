"""Speed of ONNX files beside torch: encode and decode of a codec.

    gogo export gogo-mini exported
    python bench/onnx_speed.py exported

Both compute the same tokens and audio, in turns, on one thread.
"""

import json
import statistics
from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import numpy as np
import torch
import typer
from peers import session

from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.metrics.timing import Clock


class OnnxCodec:
    """A codec with a decoder of one pass and Vocos, from `gogo export`."""

    def __init__(self, folder):
        self.model = json.loads((folder / "model.json").read_text())
        self.sessions = {
            name: session(folder / f"{name}.onnx")
            for name in ("mel", "encoder", "decoder", "vocoder")
        }

    def run(self, name, array):
        """The only output of a network with one input."""
        session = self.sessions[name]
        return session.run(None, {session.get_inputs()[0].name: array})[0]

    def encode(self, wav):
        """Waveform [T] of whole groups to tokens [N, K]."""
        mel = self.model["mel"]
        before = mel["zeros_before"]
        after = mel["n_fft"] - mel["hop_length"] - before
        frames = self.run("mel", np.pad(wav, (before, after))[None])
        size = self.model["group_size"], mel["n_mels"]
        return self.run("encoder", frames.reshape(-1, *size))

    def decode(self, tokens):
        """Tokens [N, K] to a waveform [T]."""
        return self.run("vocoder", self.run("decoder", tokens[None]))[0]


def main(
    folder: Annotated[Path, typer.Argument(help="Output of `gogo export`.")],
    source: Annotated[
        str, typer.Option(help="The model itself.")
    ] = "gogo-mini",
    groups: Annotated[int, typer.Option(help="20 groups are 4.3 s.")] = 47,
    rounds: int = 7,
):
    """Print a table: medians of CPU time, and their ratio."""
    torch.set_num_threads(1)
    clock = Clock("cpu", threads=1)
    codec, onnx = GogoCodec.from_hparams(source), OnnxCodec(folder)
    noise = np.random.default_rng(0).standard_normal(
        groups * codec.group_samples
    )
    wav = (0.1 * noise).astype(np.float32)
    tokens = onnx.encode(wav)
    given = torch.from_numpy(wav)[None], torch.from_numpy(tokens)[None]
    calls = {
        "encode": (
            lambda: codec.encode_batch(given[0]),
            lambda: onnx.encode(wav),
        ),
        "decode": (
            lambda: codec.decode_batch(given[1]),
            lambda: onnx.decode(tokens),
        ),
    }
    seconds = len(wav) / codec.sample_rate
    print(f"{seconds:.1f} s of audio, {rounds} rounds, {clock.name}\n")
    print("| | torch, RTF | ONNX Runtime, RTF | ratio |")
    print("| --- | ---: | ---: | ---: |")
    for name, pair in calls.items():
        spent = [
            [timed(call, clock) for call in pair] for _ in range(rounds + 1)
        ]
        torch_time, onnx_time = map(statistics.median, zip(*spent[1:]))
        print(
            f"| {name} | {torch_time / seconds:.4f} | "
            f"{onnx_time / seconds:.4f} | {onnx_time / torch_time:.2f} |"
        )


def timed(call, clock):
    """Seconds of a call."""
    start = clock.now()
    call()
    return clock.now() - start


if __name__ == "__main__":
    typer.run(main)
