"""Phone numbers, versions and other identifiers in English words.

They are not quantities, so they are read digit by digit.
"""

import re

from speechbrain_gogo.dataio.text.english.words import cardinal, digits

SMALL = re.compile("[0-9]|[1-9][0-9]")  # read as a number, others by digits


def _phone(match):
    """Groups of digits, with a pause between them."""
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(map(digits, re.findall(r"\d+", match[0])))


def _local_number(match):
    """555-1234, unless both are round, as in 500-1500."""
    if match[1].endswith("00") and match[2].endswith("00"):
        return match[0]
    return _phone(match)


def _chain(match):
    """Three or more numbers with hyphens: an identifier, or a formation."""
    parts = match[0].split("-")
    if all(map(SMALL.fullmatch, parts)):
        return ", ".join(map(cardinal, parts))
    return ", ".join(map(digits, parts))


def _version(match):
    """Dotted numbers: two digits are a number, three are spelled."""
    parts = match[2].split(".")
    spoken = [
        cardinal(part) if SMALL.fullmatch(part) else digits(part)
        for part in parts
    ]
    return ("version " if match[1] else "") + " point ".join(spoken)


RULES = [
    (
        r"\b0x([0-9a-f]+)\b",  # hexadecimal
        lambda m: "zero x " + " ".join(digits(c) or c for c in m[1]),
    ),
    (
        r"(?<![\w./-])\d++(?:/\d++){2,}+(?![\w/])",  # no date either
        lambda m: " slash ".join(map(digits, m[0].split("/"))),
    ),
    # Phones: with a country's code, of North America, with an area's zero.
    (r"(?<![\w+])\+\d{1,3}(?:[\s./-]?\(?\d{1,4}\)?){2,6}(?![\w])", _phone),
    (
        r"(?<![\w-])(?:1[-.\s])?(?:\(\d{3}\)\s?|\d{3}(?P<sep>[-.\s]))"
        r"\d{3}[-.\s]\d{4}(?![\w-])",
        _phone,
    ),
    (r"(?<![\w.,-])([2-9]\d{2})-(\d{4})(?![\w-])", _local_number),
    (  # but not the end of 1 000 000
        r"(?<![\w.,-])(?<!\d )0\d{1,4}(?:[ /-]\d{2,7}){1,3}(?![\w-])",
        _phone,
    ),
    (r"(?<![\w.,-])\(0\d{1,4}\)(?:\s?\d{3,7}){1,3}(?![\w-])", _phone),
    (r"(?<![\w.,-])\d{4}(?: \d{4}){2,4}(?![\w-])", _phone),
    (r"(?<![\w.,-])\d++(?:-\d++){2,}+(?![\w-])", _chain),
    (
        r"(?<![\w.])((?-i:v\.?\s?)|v\.?\s?(?=\d+\.\d)|v(?:er(?:s(?:ion)?)?)\.?\s?)(\d+(?:\.\d+)*)(?!\w|\.\d)",
        _version,
    ),
    (  # but not 1.234.567,89
        r"(?<![\w.,$£€¥])(?!\d{1,3}(?:\.\d{3})+,\d)()(\d++(?:\.\d++){2,}+)",
        _version,
    ),
]
