"""Files of text tokenizers in a stage's folder, which has one tokenizer."""

from pathlib import Path

PIECES = "text.model"  # of WordPieces
PHONES = "phones.txt"  # of Phones


def make_room(folder):
    """Delete the tokenizer of another training, so that only a new one counts.

    The folder, of a stage, is created if needed; gives its Path.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "stage1"
    >>> (make_room(folder) / PHONES).write_text("phones")
    6
    >>> list(make_room(folder).iterdir())
    []
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (PIECES, PHONES):
        (folder / name).unlink(missing_ok=True)
    return folder
