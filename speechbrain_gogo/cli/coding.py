"""Commands that encode audio into tokens and decode tokens into audio."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli import options
from speechbrain_gogo.cli.steps import allocation, load, run_all, sampling

Inputs = Annotated[
    list[Path], typer.Argument(help="Files, or folders of them.")
]
Output = Annotated[
    Path, typer.Argument(help="A file; a folder if there are several inputs.")
]
Keep = Annotated[
    int | None,
    typer.Option(
        help="Number of levels to decode, from the coarsest: tokens of each "
        "group for Gogo and SoCodec, scales for CoFi-Codec. All by default."
    ),
]


def encode(
    inputs: Inputs,
    out: Output,
    allocate: options.Allocate = False,
    target_rate: options.TargetRate = None,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Encode audio of any length and rate into token files."""
    from speechbrain_gogo.inference.files import audio as files
    from speechbrain_gogo.inference.files.describe import describe_kept

    wanted = allocation(allocate, target_rate)
    pairs = files.plan(inputs, out, files.READABLE_AUDIO, files.TOKENS)
    model = load(codec, device, trust_source)

    def work(source, target):
        tokens, samples = files.encode_to_file(model, source, target, **wanted)
        rate = describe_kept(model, tokens)
        seconds = samples / model.sample_rate
        return f"{seconds:.2f} s, {len(tokens)} groups, {rate}"

    run_all(pairs, work)


def decode(
    inputs: Inputs,
    out: Output,
    keep: Keep = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: options.Seed = 0,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Decode token files into audio of the original length."""
    from speechbrain_gogo.inference.files import audio as files

    pairs = files.plan(inputs, out, files.TOKENS, files.WRITABLE_AUDIO)
    model = load(codec, device, trust_source)
    settings = sampling(model, keep, steps, guidance, seed)

    def work(source, target):
        samples = files.decode_to_file(model, source, target, **settings)
        return f"{samples / model.sample_rate:.2f} s"

    run_all(pairs, work)


def reconstruct(
    inputs: Inputs,
    out: Output,
    keep: Keep = None,
    allocate: options.Allocate = False,
    target_rate: options.TargetRate = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: options.Seed = 0,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Encode audio and decode it again."""
    from speechbrain_gogo.inference.files import audio as files
    from speechbrain_gogo.inference.files.describe import describe_kept
    from speechbrain_gogo.inference.marking import says_synthetic

    wanted = allocation(allocate, target_rate)
    pairs = files.plan(inputs, out, files.READABLE_AUDIO, files.WRITABLE_AUDIO)
    model = load(codec, device, trust_source)
    settings = sampling(model, keep, steps, guidance, seed)

    def work(source, target):
        tokens, samples = files.encode_with_budgets(model, source, **wanted)
        if keep is not None:
            tokens = tokens[:, : model.levels.num_kept(keep)]
        side = model.file_side_information(source)
        given = {"num_samples": samples, **side, **settings}
        synthetic = says_synthetic(source)
        files.write_decoded(model, tokens, target, synthetic, **given)
        return describe_kept(model, tokens)

    run_all(pairs, work)
