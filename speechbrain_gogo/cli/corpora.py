"""The commands that prepare corpora: `gogo manifest` and `gogo tokenize`."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli.options import (
    BUNDLED,
    Allocate,
    Codec,
    Device,
    TargetRate,
    Trust,
)
from speechbrain_gogo.cli.steps import allocation, load

Corpus = Annotated[
    str,
    typer.Argument(
        help="A SpeechBrain CSV manifest, or WebDataset tars of audio: one, "
        "a folder, or a pattern.",
    ),
]
Recordings = Annotated[
    Path,
    typer.Argument(
        exists=True,
        file_okay=False,
        help="A folder of audio; NAME.txt beside NAME.wav, or metadata.csv of "
        "LJ Speech's form, says what a recording says.",
    ),
]
Folder = Annotated[
    Path, typer.Argument(help="Folder for the tokens; the same one to resume.")
]
Forms = Annotated[
    list[str] | None,
    typer.Option(
        "--form",
        help="npy (default), webdataset or datasets; can be repeated.",
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        help="flat: a group's tokens one after the other, N*K x 1. "
        "grouped: a group per step, N x K.",
    ),
]
Codebooks = Annotated[
    int | None,
    typer.Option(help="Tokens of each group, K; all by default."),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Value of $data_root; the manifest's folder by default."),
]
Shortest = Annotated[float, typer.Option(help="Skip clips of fewer seconds.")]
Longest = Annotated[float, typer.Option(help="Skip clips of more seconds.")]
BatchSeconds = Annotated[
    float, typer.Option(help="Seconds of audio in a batch.")
]
ShardSize = Annotated[
    int,
    typer.Option(
        help="Rows of a manifest in a shard; a stop loses one shard at most."
    ),
]
Workers = Annotated[
    int, typer.Option(help="Processes of each rank that read audio.")
]


def tokenize(
    corpus: Corpus,
    out: Folder,
    form: Forms = None,
    layout: Layout = "flat",
    num_codebooks: Codebooks = None,
    allocate: Allocate = False,
    target_rate: TargetRate = None,
    data_root: DataRoot = None,
    min_duration: Shortest = 0.0,
    max_duration: Longest = float("inf"),
    batch_seconds: BatchSeconds = 60.0,
    clips_per_shard: ShardSize = 1000,
    workers: Workers = 0,
    codec: Codec = BUNDLED,
    device: Device = "cpu",
    trust_source: Trust = False,
):
    """Encode a corpus to tokens for other recipes, also under torchrun."""
    from speechbrain_gogo.inference.files import corpora

    wanted = allocation(allocate, target_rate)
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
        {"target_rate": target_rate} if wanted["allocate"] else None,
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
        int, typer.Option(help="Clips to set aside in valid.csv.")
    ] = 20,
    speaker: Annotated[
        str | None,
        typer.Option(
            help="Who speaks; by default the folder in FOLDER where a recording is."
        ),
    ] = None,
    recognizer: Annotated[
        str | None,
        typer.Option(
            help="Writes down recordings that have no text: hub id or folder "
            "of a Whisper model in the format of transformers."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of clips.")] = 0,
):
    """List recordings and what they say in train.csv and valid.csv."""
    from speechbrain_gogo.inference.files import manifests

    hear = None if recognizer is None else manifests.load_whisper(recognizer)
    report = manifests.make_manifests(folder, out, valid, speaker, hear, seed)
    typer.echo(f"{out or folder}: {report}")
