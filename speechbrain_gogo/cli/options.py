"""Options of several `gogo` commands, with their help texts."""

from pathlib import Path
from typing import Annotated

import typer

BUNDLED = "gogo-mini"  # the default codec

Codec = Annotated[
    str, typer.Option(help="Bundled name, folder of a codec, or hub id.")
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust-source", help="Run any code that the codec's YAML names."
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps ...")]
Steps = Annotated[
    int | None, typer.Option(help="Flow steps; the codec's setting by default.")
]
Guidance = Annotated[
    float | None,
    typer.Option(
        help="Guidance scale, 0 for none; the codec's setting by default."
    ),
]
Allocate = Annotated[
    bool,
    typer.Option(
        "--allocate",
        help="Let the codec's allocator choose the tokens of each group.",
    ),
]
TargetRate = Annotated[
    float | None,
    typer.Option(
        help="Highest token rate of the allocator, in tokens per second."
    ),
]
Seed = Annotated[int, typer.Option(help="Random seed.")]

Recognizer = Annotated[
    str | None,
    typer.Option(
        help="Whisper model that recognises the recording, a hub id or "
        "folder; by default pocketsphinx, of gogo[metrics]."
    ),
]
Wav = Annotated[Path, typer.Option("--out", "-o", help="Audio file to write.")]
Allocator = Annotated[
    bool, typer.Option(help="Use the codec's allocator, if it has one.")
]
Draw = Annotated[
    float | None,
    typer.Option(
        help="Setting of the language models; the model's by default."
    ),
]
DrawFrom = Annotated[
    int | None,
    typer.Option(
        help="Sample from this many most probable tokens; 0: from all."
    ),
]
