"""Abbreviations in English words; their dots, unless they end a sentence."""

import re

from speechbrain_gogo.dataio.text.english.tables import (
    BARE_TITLES,
    BEFORE_NUMBERS,
    OPENERS,
    SHORT_FORMS,
    TITLES,
    any_of,
)


def _initials(match):
    """p.m. as p m."""
    return " ".join(match[1].replace(".", "")) + _dot(match)


def _dot(match):
    """The dot of an abbreviation, if it is that of the sentence too."""
    following = match.string[match.end() :].lstrip()
    return "." if not following or following[0].isupper() else ""


def _short_form(match):
    form = re.sub(r"\s+", " ", match[1].lower())
    return SHORT_FORMS[form] + _dot(match)


OPENER = rf"(?-i:{'|'.join(OPENERS)})\b"
RULES = [
    (rf"\bst\.?(?=\s+(?-i:[A-Z]))(?!\.?\s+{OPENER})(?<!\d..\sst)", "saint"),
    (r"\bst\.", lambda m: "street" + _dot(m)),
    (
        rf"\b({any_of(BEFORE_NUMBERS)})\.\s*(?=\d|(?-i:[IVX]+\b))",
        lambda m: BEFORE_NUMBERS[m[1].lower()] + " ",
    ),
    (r"(?-i:\b(pp))\s(?=\d)", "pages "),
    (
        rf"(?<!\d)(?<!\d\s)\b({any_of(TITLES)})\.(?=\s+\S|[;,)])",
        lambda m: TITLES[m[1].lower()],
    ),
    (
        rf"\b(?-i:({any_of(BARE_TITLES)}))\s(?=(?-i:[A-Z]))",
        lambda m: TITLES[m[1].lower()] + " ",
    ),
    (r"\b(vs)\b(?!\.)", "versus"),
    (r"\bdr\.", lambda m: "drive" + _dot(m)),
    (r"\bph\.?\s?d\b\.?", lambda m: "P H D" + _dot(m) * ("." in m[0])),
    (rf"(?<!\d)(?<!\d\s)\b({any_of(SHORT_FORMS)})\.", _short_form),
    (r"\bw/o\b", "without"),
    (r"\bw/(?=\s)", "with"),
    (r"(?<=[a-z] )v\.(?=\s(?-i:[A-Z]))", "versus"),
    (r"\b((?:[a-z]\.){2,})", _initials),
    (
        r"(?-i:\b((?:[A-Z]\.)+[A-Z]\b))(?![.\w])",
        lambda m: m[1].replace(".", " "),
    ),
    (rf"(?-i:\b([A-HJ-Z])\.(?=\s+[A-Z]))(?!\s+{OPENER})", r"\1"),
]
