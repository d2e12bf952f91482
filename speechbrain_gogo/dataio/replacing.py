"""Files and folders that are written whole or not at all."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

NAMED = 50  # characters of a name, which in all may have 255 bytes


@contextlib.contextmanager
def replaced_when_complete(path):
    """Write beside a file, which is replaced if all went well.

    Arguments
    ---------
    path : str | Path
        The file; folders are made. A link stays one: what it leads to is
        replaced.

    Yields
    ------
    Path
        Where to write, with the same suffix. After an error it is gone, and
        the file is as it was.

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
def appearing_when_complete(path, anew=False):
    """Write a file or folder aside; None if it is there already.

    Arguments
    ---------
    path : Path
        A folder, if it has no suffix.
    anew : bool
        Replace one that is there.

    Yields
    ------
    Path
        Where to write; renamed to ``path`` at the end.
    """
    if path.exists() and not anew:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # One process writes at a time: what stands there was left by a kill.
    partial = path.with_name(f"{path.name}.partial")
    if not path.suffix:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
    yield partial
    os.replace(partial, path)
