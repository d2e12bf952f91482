"""Commands that show a codec, its tokens and its allocator."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli import options
from speechbrain_gogo.cli.steps import describe, load

Recording = Annotated[Path, typer.Argument(help="An audio file.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one line of JSON instead.")
]
Image = Annotated[Path, typer.Argument(help="PNG file to write.")]
Seconds = Annotated[
    float,
    typer.Option(help="Seconds of the recording to draw, from its start."),
]
Source = Annotated[str, typer.Argument(help="A token file or a codec.")]
OwnAudio = Annotated[
    list[Path] | None,
    typer.Option(help="Audio files to add to the bundled clip."),
]
PageFolder = Annotated[
    Path, typer.Option(help="Folder for the page and its files.")
]


def budgets(
    wav: Recording,
    image: Image,
    target_rate: options.TargetRate = None,
    seconds: Seconds = 10.0,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Plot the number of tokens that the allocator gives each group of a recording."""
    from speechbrain_gogo.inference.demo.budget_picture import draw_budgets
    from speechbrain_gogo.inference.files.describe import describe_rate

    if image.suffix.lower() != ".png":
        raise ValueError(
            f"{image}: the picture is written as PNG, give a name that ends with .png."
        )
    if not seconds > 0:  # also NaN
        raise ValueError(f"--seconds {seconds:g}: give more than 0.")
    model = load(codec, device, trust_source)
    found = draw_budgets(model, wav, image, target_rate, seconds)
    rate = describe_rate(model, float(found.double().mean()))
    typer.echo(f"{image}: {len(found)} groups, {rate}")


def detect(wav: Recording, as_json: Json = False):
    """Show whether audio is watermarked or marked as synthetic in its metadata."""
    from speechbrain_gogo.inference.marking import detect_file

    found = detect_file(wav)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    score = ""
    if found.probability is not None:
        score = f", probability {found.probability:.3f}"
    typer.echo(f"{wav}: {found.verdict}{score}")
    if len(found.windows) > 1:
        for start, end, probability in found.windows:
            heard = "silence" if probability is None else f"{probability:.3f}"
            typer.echo(f"  {start:8.2f} s to {end:8.2f} s  {heard}")
    says = "synthetic" if found.says_synthetic else "nothing of synthesis"
    typer.echo(f"metadata: {says}")


def info(
    source: Source = options.BUNDLED,
    codec: options.Codec = options.BUNDLED,
    trust_source: options.Trust = False,
):
    """Show the properties of a token file or of a codec."""
    from speechbrain_gogo.inference.files import audio as files
    from speechbrain_gogo.inference.files import describe

    is_file = Path(source).suffix in files.TOKENS
    is_file = is_file or Path(source).is_file()
    model = load(codec if is_file else source, "cpu", trust_source)
    if is_file:
        found = describe.describe_token_file(source, model)
    else:
        found = describe.describe_codec(model, source)
    for name, value in found.items():
        typer.echo(f"{name:12} {value}")


def demo(
    wav: OwnAudio = None,
    out: PageFolder = Path("results/demo"),
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Decode a clip at several rates and write a page with players."""
    from speechbrain_gogo.inference.demo.run import run_demo
    from speechbrain_gogo.inference.loading.speech import can_speak

    model = load(codec, device, trust_source)
    speech = None
    if can_speak(codec):
        speech = load(codec, device, trust_source, speaks=True)
    recordings, synthesis, page = run_demo(model, out, wav or [], speech)
    for recording in recordings:
        typer.echo(
            f"\n{recording.title}: {recording.seconds:.2f} s, "
            f"encoding real-time factor {recording.encode_factor:.3f}"
        )
        typer.echo("  keep  tokens/s   bit/s  decoding factor  file")
        for made in recording.decodings:
            typer.echo(
                f"  {made.keep:4}{made.token_rate:10.1f}{made.bit_rate:8.1f}"
                f"{made.real_time_factor:17.3f}  {out / made.wav}"
            )
    if synthesis:
        typer.echo(f"\n{describe(synthesis, out / synthesis.wav)}")
    typer.echo(f"\nListen: open {page.resolve()}")
