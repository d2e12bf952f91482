"""The command `gogo push`: publish a model on the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

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
    from speechbrain_gogo.inference.publishing import push_model

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
