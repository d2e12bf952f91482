"""Files and folders that appear when they are complete."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

NAMED = 50  # last characters of a name, which may have 255 bytes in all


@contextlib.contextmanager
def replaced_when_complete(path):
    """Write to a temporary file, which replaces a file if there is no error.

    Arguments
    ---------
    path : str | Path
        The file; folders are created. Of a link, the target is replaced.

    Yields
    ------
    Path
        The temporary file, with the same suffix. It is deleted after an error.

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


@contextlib.contextmanager
def written_once(path, again=False):
    """Write a file or folder that does not exist yet.

    One process writes at a time: the temporary file of a killed process is
    overwritten.

    Arguments
    ---------
    path : Path
        A folder if it has no suffix.
    again : bool
        Also replace an existing file.

    Yields
    ------
    Path
        The temporary file or folder; None if ``path`` exists.
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
