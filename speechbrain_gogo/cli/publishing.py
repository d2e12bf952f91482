"""Commands that hand a model on: to the Hugging Face hub, or as ONNX files."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli import options

Model = Annotated[
    Path,
    typer.Argument(
        help="A model folder, or the output folder of a recipe with export/."
    ),
]
Repository = Annotated[str, typer.Argument(help="owner/name on the hub.")]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        "--dry_run",
        help="Check everything and print the card; use no network.",
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        help="Output folder of the training, for the card's figures; by "
        "default the parent folder of the model."
    ),
]
Evaluation = Annotated[
    Path | None,
    typer.Option(help="Output folder of an evaluation, for the card's table."),
]
Licence = Annotated[
    str, typer.Option("--licence", "--license", help="Licence of the weights.")
]
Language = Annotated[str, typer.Option(help="Code of the language.")]
Revision = Annotated[
    str | None,
    typer.Option(help="Name of this version, the revision of from_hparams."),
]
Private = Annotated[
    bool,
    typer.Option("--private", help="Make the model visible to the owner only."),
]
Source = Annotated[
    str, typer.Argument(help="Bundled name, folder of a model, or hub id.")
]
Folder = Annotated[Path, typer.Argument(help="Folder to write.")]


def push(
    folder: Model,
    repository: Repository,
    revision: Revision = None,
    run: Run = None,
    evaluation: Evaluation = None,
    licence: Licence = "apache-2.0",
    language: Language = "en",
    private: Private = False,
    dry_run: DryRun = False,
):
    """Publish a model on the Hugging Face hub, with a model card."""
    from speechbrain_gogo.inference.publishing.push import push_model

    made = push_model(
        folder,
        repository,
        run,
        evaluation,
        licence,
        language,
        revision,
        private,
        dry_run,
    )
    if dry_run:
        typer.echo(made.card)
    for name, size in made.files.items():
        typer.echo(f"{size / 1e6:10.3f} MB  {name}")
    done = "would be" if dry_run else "is"
    typer.echo(f"The model {done} at {made.url}")


def export(source: Source, folder: Folder, trust_source: options.Trust = False):
    """Write a model's networks as ONNX files, and compare them with torch."""
    from speechbrain_gogo.inference.exporting import export_onnx

    for path, found in export_onnx(source, folder, trust_source):
        if path.suffix == ".onnx":
            same = "ids are equal" if found is None else f"within {found:.1e}"
            files = path.parent.glob(f"{path.name}*")  # with .onnx.data
            size = sum(file.stat().st_size for file in files)
            typer.echo(f"{size / 1e6:10.3f} MB  {path.name}  {same}")
    typer.echo(f"How to use them: {path}")
