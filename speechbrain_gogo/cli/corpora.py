"""The commands that prepare corpora: `gogo manifest` and `gogo tokenize`."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli import options
from speechbrain_gogo.cli.steps import allocation, load

Corpus = Annotated[
    str,
    typer.Argument(
        help="A SpeechBrain CSV manifest, or WebDataset tars of audio: one, "
        "a folder, or a pattern."
    ),
]
Recordings = Annotated[
    Path,
    typer.Argument(
        exists=True,
        file_okay=False,
        help="A folder of audio. Texts are in NAME.txt beside NAME.wav, or in "
        "a metadata.csv in LJ Speech's format.",
    ),
]
Folder = Annotated[
    Path, typer.Argument(help="Folder for the tokens; the same one to resume.")
]
Forms = Annotated[
    list[str] | None,
    typer.Option(
        "--form", help="npy (default), webdataset or datasets; can be repeated."
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        help="flat: all tokens in one sequence, N*K x 1. "
        "grouped: one group per step, N x K."
    ),
]
Codebooks = Annotated[
    int | None, typer.Option(help="Tokens of each group, K; all by default.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Value of $data_root; the manifest's folder by default."),
]
Shortest = Annotated[float, typer.Option(help="Skip clips of fewer seconds.")]
Longest = Annotated[float, typer.Option(help="Skip clips of more seconds.")]
BatchSeconds = Annotated[
    float,
    typer.Option(
        min=0, help="Most seconds of audio in a batch, padding included."
    ),
]
ShardSize = Annotated[
    int,
    typer.Option(
        min=1,
        help="Rows of a manifest per shard; an interruption loses at most "
        "one shard.",
    ),
]
Workers = Annotated[
    int, typer.Option(min=0, help="Processes of each rank that read audio.")
]


def tokenize(
    corpus: Corpus,
    out: Folder,
    form: Forms = None,
    layout: Layout = "flat",
    num_codebooks: Codebooks = None,
    allocate: options.Allocate = False,
    target_rate: options.TargetRate = None,
    data_root: DataRoot = None,
    min_duration: Shortest = 0.0,
    max_duration: Longest = float("inf"),
    batch_seconds: BatchSeconds = 60.0,
    clips_per_shard: ShardSize = 1000,
    workers: Workers = 0,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Encode a corpus to tokens for other recipes; can run under torchrun."""
    from speechbrain_gogo.inference.files import corpora

    allocation(allocate, target_rate)  # checks them
    model = load(codec, corpora.rank_device(device), trust_source)
    source = corpora.find_source(
        corpus,
        model.sample_rate,
        data_root,
        min_duration,
        max_duration,
        batch_seconds,
        clips_per_shard,
    )
    report = corpora.tokenize_to_folder(
        model,
        source,
        out,
        form or ["npy"],
        layout,
        num_codebooks,
        {"target_rate": target_rate} if allocate else None,
        workers,
    )
    typer.echo(f"{out}: {report or 'other ranks have not finished'}")


def manifest(
    folder: Recordings,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the CSV files; FOLDER by default."),
    ] = None,
    valid: Annotated[
        int | None,
        typer.Option(
            help="Clips to set aside in valid.csv; a tenth, 1 to 20, by "
            "default.",
            min=1,
        ),
    ] = None,
    speaker: Annotated[
        str | None,
        typer.Option(
            help="Name of the speaker; by default the top folder of each "
            "recording in FOLDER."
        ),
    ] = None,
    recognizer: Annotated[
        str | None,
        typer.Option(
            help="Transcribes English recordings without a text: hub id or "
            "folder of a Whisper model in the format of transformers."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the choice of validation clips.")
    ] = 0,
):
    """List recordings and their texts in train.csv and valid.csv."""
    from speechbrain_gogo.inference.files import manifests

    hear = None if recognizer is None else manifests.load_whisper(recognizer)
    report = manifests.make_manifests(folder, out, valid, speaker, hear, seed)
    held_out = manifests.num_held_out(report.used, valid)
    rest = report.used - held_out
    typer.echo(
        f"{out or folder}: {report}: {rest} in train.csv, {held_out} in "
        "valid.csv"
    )
