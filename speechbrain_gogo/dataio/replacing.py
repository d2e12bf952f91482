"""Files and folders that appear when they are complete."""

import contextlib
import csv
import os
import secrets
import shutil
from pathlib import Path

NAMED = 50  # last characters of a name, which may have 255 bytes in all


@contextlib.contextmanager
def replaced_when_complete(path):
    """A temporary file that replaces a file if there is no error.

    It has the same suffix, and is deleted after an error. Folders are created;
    of a link, the target is replaced.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> with replaced_when_complete(path) as partial:
    ...     _ = partial.write_text("all")
    >>> path.read_text()
    'all'
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name[-NAMED:]
    partial = path.with_name(f"partial-{secrets.token_hex(4)}-{name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_csv(path, rows):
    """Write rows of values, the names of the columns first, as a CSV file."""
    with (
        replaced_when_complete(path) as partial,
        open(partial, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows(rows)


@contextlib.contextmanager
def written_once(path, again=False):
    """A temporary file, or folder without a suffix, that becomes ``path``.

    None if ``path`` exists, unless it is to be written ``again``. One process
    writes at a time: the temporary file of a killed process is overwritten.
    """
    if path.exists() and not again:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    if not path.suffix:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
    yield partial
    os.replace(partial, path)
