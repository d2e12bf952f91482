"""The `gogo` command.

Each command is a thin layer over speechbrain_gogo.inference, which is imported
only when a command runs, so that ``--help`` is fast. After invalid input a
command prints one line to stderr and exits with status 1.
"""

import os
from typing import Annotated

import typer

from speechbrain_gogo import __version__
from speechbrain_gogo.cli.coding import decode, encode, reconstruct
from speechbrain_gogo.cli.conversion import convert, enhance
from speechbrain_gogo.cli.corpora import manifest, tokenize
from speechbrain_gogo.cli.inspection import budgets, demo, detect, info
from speechbrain_gogo.cli.publishing import export, push
from speechbrain_gogo.cli.serving import serve
from speechbrain_gogo.cli.speech import speak
from speechbrain_gogo.cli.steps import is_user_error, print_error


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


class OneLineErrors(typer.core.TyperGroup):
    """Commands that print user errors in one line, without a traceback."""

    def invoke(self, ctx):
        """Run a command; exit with status 1 after a user error."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not is_user_error(error):
                raise
            print_error(error)
            raise typer.Exit(1) from None


app = typer.Typer(cls=OneLineErrors, no_args_is_help=True, add_completion=False)


@app.callback()
def gogo(version: Version = False):
    """Gogo: speech to granularity-ordered tokens and back."""


for command in (
    encode,
    decode,
    reconstruct,
    manifest,
    tokenize,
    speak,
    convert,
    enhance,
    serve,
    budgets,
    detect,
    info,
    demo,
    push,
    export,
):
    app.command()(command)


def main():
    """Entry point of the `gogo` command."""
    # Read by torch's OpenMP. Busy-waiting threads make the short passes of
    # language models many times slower if other processes use the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    app()
