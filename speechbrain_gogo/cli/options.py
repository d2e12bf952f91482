"""Arguments and options of the `gogo` commands, with their help texts."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo import __version__

BUNDLED = "gogo-mini"  # the default codec


def print_version(wanted):
    """Print the version of this package and exit, if ``wanted``."""
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=print_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
]

Inputs = Annotated[
    list[Path], typer.Argument(help="Files, or folders of them.")
]
Output = Annotated[
    Path,
    typer.Argument(help="A file; a folder if there are several inputs."),
]
Codec = Annotated[
    str,
    typer.Option(help="Bundled name, folder of a codec, or hub id."),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust-source",
        help="Run any code that the codec's YAML names.",
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps ...")]
Keep = Annotated[
    int | None,
    typer.Option(
        help="Number of levels to decode, from the coarsest: tokens of each "
        "group for Gogo and SoCodec, scales for CoFi-Codec. All by default."
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(help="Flow steps; the codec's setting by default."),
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

# Speech

Text = Annotated[
    str | None,
    typer.Option(help="Text to speak, in English; - reads standard input."),
]
TextFile = Annotated[
    Path | None, typer.Option(help="A file with the text to speak, in UTF-8.")
]
Prompt = Annotated[
    Path | None,
    typer.Option(
        help="A recording of the voice; the model's own voice by default."
    ),
]
PromptText = Annotated[
    str | None,
    typer.Option(help="Transcript of the recording; recognised by default."),
]
Recognizer = Annotated[
    str | None,
    typer.Option(
        help="Whisper model that recognises the recording, a hub id or "
        "folder; by default pocketsphinx, of gogo[metrics]."
    ),
]
Wav = Annotated[Path, typer.Option("--out", "-o", help="Audio file to write.")]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream", help="Print the time at which each chunk of audio is ready."
    ),
]
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
TextGuidance = Annotated[
    float | None,
    typer.Option(
        help="Scale of classifier-free guidance by the text; 0: none."
    ),
]

# Conversion

Spoken = Annotated[Path, typer.Argument(help="A recording of the words.")]
TargetVoice = Annotated[
    Path, typer.Argument(help="A recording of the voice, a few seconds.")
]
Noisy = Annotated[Path, typer.Argument(help="The recording, of any length.")]
CleanPrompt = Annotated[
    Path | None,
    typer.Option(
        "--prompt",
        help="A clean recording, best of the same speaker; none by default.",
    ),
]

# Serving

Host = Annotated[
    str,
    typer.Option(
        help="Address to listen at; 0.0.0.0 accepts connections from all machines."
    ),
]
Port = Annotated[int, typer.Option(help="Port to listen at; 0: a free one.")]
Voices = Annotated[
    Path | None,
    typer.Option(
        help="Folder of voices: NAME.wav with its transcript in NAME.txt."
    ),
]
MostCharacters = Annotated[int, typer.Option(help="Longest text.")]
MostBytes = Annotated[
    float, typer.Option(help="Largest request, audio included.")
]
MostSeconds = Annotated[float, typer.Option(help="Longest recording.")]
Waiting = Annotated[
    int,
    typer.Option(
        help="Number of requests that may wait; further ones are rejected, "
        "with a time to retry."
    ),
]
Threads = Annotated[
    int,
    typer.Option(help="Number of requests that are computed at the same time."),
]
