"""Code blocks of Markdown pages, and what their shell commands may be.

A block that a test runs has no title. What needs more than this machine says so by a
title, which readers of the site see above the block:

    ```bash title="Needs a GPU"

Its commands are then checked without running them.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
TITLES = {
    "Changes your environment",
    "Needs a download",
    "Needs a GPU",
    "Needs a running server",
    "Needs an account",
    "Needs other software",
    "Needs recordings",
    "Needs your model",
}
FENCE = re.compile(
    r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A fenced block: where it begins, its language, title and text."""

    line: int
    language: str
    title: str | None
    text: str


def read_blocks(page):
    """All blocks of a page in Python or for a shell."""
    content = Path(page).read_text(encoding="utf-8")
    for found in FENCE.finditer(content):
        line = content.count("\n", 0, found.start()) + 2
        if found[1] in ("python", "bash"):
            yield Block(line, *found.groups())


def read_commands(text):
    """Lists of words of a shell block; variables of the block are replaced."""
    known = {}
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(
            re.sub(r"\$(\w+)", lambda m: known.get(m[1], m[0]), line),
            comments=True,
        )
        if words and re.fullmatch(r"[A-Z]+=.*", words[0], re.DOTALL):
            name, _, known[name] = words[0].partition("=")
        elif words:
            yield words[:-1] if words[-1] == "&" else words
