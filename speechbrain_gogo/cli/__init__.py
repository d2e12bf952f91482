"""The `gogo` command, one file for each group of its commands."""

from speechbrain_gogo.cli.commands import app, main

__all__ = ["app", "main"]
