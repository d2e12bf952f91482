"""What tokens in files are: their layout and their codec.

A flat sequence does not show how many tokens a group has, nor an id its codec:
``tokens.json`` beside ``codes/``, the JSON files in tars and the rows of datasets
tell both.
"""

import json
from pathlib import Path
from typing import NamedTuple

from speechbrain_gogo.dataio.replacing import replaced_when_complete

FILE = "tokens.json"


class TokenIdentity(NamedTuple):
    """Layout and codec of tokens.

    layout: see layouts.py; num_codebooks: tokens of each group; codec and
    fingerprint: name and identity of the codec.

    Example
    -------
    >>> ours = TokenIdentity("flat", 10, "mine", "abc")
    >>> print(ours)
    flat, 10 tokens per group of codec 'mine' (fingerprint abc)
    >>> ours.require(ours, "a.npy")
    >>> ours.require(ours._replace(num_codebooks=3, codec="x"), "a.npy")
    Traceback (most recent call last):
    ...
    ValueError: a.npy: num_codebooks is 3 there and 10 here. The tokens there are \
flat, 3 tokens per group of codec 'x' (fingerprint abc); these are wanted: flat, \
10 tokens per group of codec 'mine' (fingerprint abc). Build the tokenizer with \
the codec, num_codebooks and layout of the file, or tokenise the corpus again.
    """

    layout: str
    num_codebooks: int
    codec: str
    fingerprint: str

    def __str__(self):
        return (
            f"{self.layout}, {self.num_codebooks} tokens per group of codec "
            f"'{self.codec}' (fingerprint {self.fingerprint})"
        )

    def require(self, found, where):
        """Raise a ValueError if the tokens at a place are others.

        Names of codecs may differ.
        """
        others = [
            f"{name} is {theirs} there and {mine} here"
            for name, theirs, mine in zip(self._fields, found, self)
            if name != "codec" and theirs != mine
        ]
        if others:
            raise ValueError(
                f"{where}: {', '.join(others)}. The tokens there are {found}; "
                f"these are wanted: {self}. Build the tokenizer with the codec, "
                "num_codebooks and layout of the file, or tokenise the corpus "
                "again."
            )

    def write(self, folder):
        """Write it into a folder of tokens."""
        with replaced_when_complete(Path(folder) / FILE) as partial:
            partial.write_text(json.dumps(self._asdict(), indent=2) + "\n")


def identity_of(facts, where):
    """Layout and codec, a TokenIdentity, from metadata.

    The dict of a tar's JSON file, a dataset's row, or ``tokens.json``; other
    entries are ignored. Raises a ValueError that names ``where`` if an entry is
    missing.
    """
    told = facts if isinstance(facts, dict) else {}
    missing = [name for name in TokenIdentity._fields if name not in told]
    if missing:
        raise ValueError(
            f"{where} does not tell {', '.join(missing)}: use metadata that "
            "`gogo tokenize` wrote."
        )
    return TokenIdentity(*(facts[name] for name in TokenIdentity._fields))


def read_identity(path):
    """The identity in a ``tokens.json``; a ValueError if it cannot be read."""
    try:
        return identity_of(json.loads(Path(path).read_text()), path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON: {error}") from None


def find_identity(path):
    """The identity in the nearest folder above a file that has a ``tokens.json``.

    None if no folder above it has one; a ValueError if it cannot be read.
    """
    for folder in Path(path).resolve().parents:
        if (place := folder / FILE).is_file():
            return read_identity(place)
    return None
