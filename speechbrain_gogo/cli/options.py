"""What the commands of `gogo` may be given, and what their help says of it."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo import __version__

BUNDLED = "gogo-mini"  # the codec, if nobody names another


def print_version(wanted):
    """Print the version of this package and end, if that is ``wanted``."""
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=print_version,
        is_eager=True,
        help="Print the version and end.",
    ),
]

Inputs = Annotated[
    list[Path], typer.Argument(help="Files, or folders of them.")
]
Output = Annotated[
    Path,
    typer.Argument(help="A file, or for several inputs a folder."),
]
Codec = Annotated[
    str,
    typer.Option(help="Bundled name, folder with a codec, or hub id."),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust-source",
        help="Run whatever code the codec's YAML names.",
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps ...")]
Keep = Annotated[
    int | None,
    typer.Option(help="Tokens of each group to use; all by default."),
]
Steps = Annotated[
    int | None,
    typer.Option(help="Flow steps; the codec's own number by default."),
]
Guidance = Annotated[
    float | None,
    typer.Option(help="Guidance scale, 0 is without; the codec's own."),
]
Allocate = Annotated[
    bool,
    typer.Option(
        "--allocate",
        help="Keep of each group what the codec's allocator gives it.",
    ),
]
TargetRate = Annotated[
    float | None,
    typer.Option(help="Tokens per second of the allocator, at most."),
]
Seed = Annotated[int, typer.Option(help="Of all that is drawn.")]
Recording = Annotated[Path, typer.Argument(help="An audio file.")]
Image = Annotated[Path, typer.Argument(help="The PNG to write.")]
Seconds = Annotated[
    float, typer.Option(help="How much to draw, from the beginning.")
]
Source = Annotated[str, typer.Argument(help="A token file or a codec.")]
OwnAudio = Annotated[
    list[Path] | None,
    typer.Option(help="Your own audio, besides the bundled clip."),
]
PageFolder = Annotated[
    Path, typer.Option(help="Folder for the page and its files.")
]

# Of speech

Text = Annotated[str, typer.Option(help="What to say, in English.")]
Prompt = Annotated[Path, typer.Option(help="A recording of the voice.")]
PromptText = Annotated[str, typer.Option(help="What the recording says.")]
Wav = Annotated[
    Path, typer.Option("--out", "-o", help="The audio file to write.")
]
Stream = Annotated[
    bool, typer.Option("--stream", help="Tell when each piece can be heard.")
]
Allocator = Annotated[
    bool, typer.Option(help="Ask the codec's allocator, if it has one.")
]
Draw = Annotated[
    float | None,
    typer.Option(help="Of the language models; their own by default."),
]
DrawFrom = Annotated[
    int | None,
    typer.Option(help="Draw from so many likeliest tokens, 0: from all."),
]
TextGuidance = Annotated[
    float | None,
    typer.Option(help="Follow the text more than has been learned; 0: do not."),
]
