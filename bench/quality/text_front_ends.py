#!/usr/bin/env python3
"""Score text normalisers on the table of written and spoken English.

    python bench/quality/text_front_ends.py [name ...]

Only installed ones are scored; the results are in docs/text.md. Libraries for numbers
only, or for letters only, are scored on all lines as well.
"""

import csv
import importlib.metadata
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

TABLE = Path(__file__).parents[2] / "tests/samples/text/english.tsv"
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"


def ours():
    """The front end of this package."""
    from speechbrain_gogo.dataio.text.english import English

    return English().normalize


def nemo_text_processing():
    """NVIDIA NeMo, cased input."""
    from nemo_text_processing.text_normalization.normalize import Normalizer

    return Normalizer(input_case="cased", lang="en").normalize


def wetextprocessing():
    """WeTextProcessing, whose grammars are built by pynini."""
    from tn.english.normalizer import Normalizer

    return Normalizer().normalize


def wetext():
    """The same grammars as files, without pynini."""
    from wetext import Normalizer

    return Normalizer(lang="en", operator="tn").normalize


def num2words():
    """Numbers alone."""
    from num2words import num2words as words

    return _numbers_by(words)


def inflect():
    """Numbers alone."""
    from inflect import engine

    return _numbers_by(engine().number_to_words)


def _numbers_by(words):
    return lambda text: re.sub(
        NUMBER, lambda m: words(m[0].replace(",", "")), text
    )


def anyascii():
    """Letters alone."""
    from anyascii import anyascii as transliterate

    return transliterate


def unidecode():
    """Letters alone."""
    from unidecode import unidecode as transliterate

    return transliterate


SYSTEMS = (
    *(ours, nemo_text_processing, wetextprocessing, wetext),
    *(num2words, inflect, anyascii, unidecode),
)


def readings(text):
    """The words of a text, in all variants that count as the same."""
    words = " ".join(re.sub("[^a-z]", " ", text.lower()).split())
    plain = re.sub(r"\b(hundred|thousand|million) and\b", r"\1", words)
    return {re.sub(r"\bo\b", "oh", w) for w in (words, plain)} | {words, plain}


def score(normalize, rows):
    """Lines that are right, by category, and how many raised an error."""
    right, errors = defaultdict(list), 0
    for row in rows:
        try:
            said = normalize(row["written"])
        except Exception:  # any error counts as a wrong line
            said, errors = "", errors + 1
        good = any(re.fullmatch(row["spoken"], r) for r in readings(said))
        right[row["category"]].append(good)
    return right, errors


def main(names):
    """Print a table of the systems that are installed, of all or some names."""
    known = [load.__name__ for load in SYSTEMS]
    if unknown := set(names).difference(known):
        raise ValueError(f"No systems {sorted(unknown)}: there are {known}.")
    with open(TABLE, encoding="utf-8", newline="") as file:
        rows = list(
            csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        )
    print(f"| system | version | right of {len(rows)} | errors | seconds |")
    print("| --- | --- | --- | --- | --- |")
    for load in SYSTEMS:
        if names and load.__name__ not in names:
            continue
        package = {"ours": "speechbrain-gogo"}.get(load.__name__, load.__name__)
        try:
            normalize = load()
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "source"
        except ImportError:
            continue
        start = time.perf_counter()
        right, errors = score(normalize, rows)
        seconds = time.perf_counter() - start
        total = sum(map(sum, right.values()))
        print(
            f"| {load.__name__} | {version} | {total} | {errors} | "
            f"{seconds:.1f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
