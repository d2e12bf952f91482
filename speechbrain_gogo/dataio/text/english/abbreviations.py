"""Abbreviations in English words; their dots, unless they end a sentence."""

import re

from speechbrain_gogo.dataio.text.english.letters import ENDS
from speechbrain_gogo.dataio.text.english.tables import (
    BARE_TITLES,
    BEFORE_NUMBERS,
    BEFORE_WORDS,
    NAMES,
    OPENERS,
    SHORT_FORMS,
    SHORT_MONTHS,
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
    form, dot = re.sub(r"\s+", " ", match[1].lower()), _dot(match)
    if dot and match[1] in NAMES:
        return match[0]
    return SHORT_FORMS[form] + ("" if form in BEFORE_WORDS else dot)


OPENER = rf"(?-i:{'|'.join(OPENERS)})\b"
# After words that may end a sentence, I is the pronoun.
PRONOUN = rf"(?:no\.\s*(?-i:I\b)|(?:art|sec)\.\s*(?-i:I\b)(?!{ENDS}))"
RULES = [
    (rf"\bst\.?(?=\s+(?-i:[A-Z]))(?!\.?\s+{OPENER})(?<!\d..\sst)", "saint"),
    (r"\bst\.", lambda m: "street" + _dot(m)),
    (
        rf"\b(?!{PRONOUN})({any_of(BEFORE_NUMBERS)})\.\s*(?=\d|(?-i:[IVX]+\b))",
        lambda m: BEFORE_NUMBERS[m[1].lower()] + " ",
    ),
    (r"(?-i:\b(pp))\s(?=\d)", "pages "),
    (
        rf"\b({any_of(SHORT_MONTHS)})\.(?=\s+{OPENER})",
        lambda m: SHORT_MONTHS[m[1].lower()] + ".",
    ),
    (
        r"(?-i:(?<=\d)((?:\s[A-Z][a-z]+){1,3})\sDr\."
        rf"(?=[,;)]|\s+(?:[a-z]|{OPENER})))",
        lambda m: f"{m[1]} drive{_dot(m)}",
    ),
    (
        rf"\b(?!(?<=\d\s)(?-i:ft|ms)\b)({any_of(TITLES)})\.(?=\s+\S|[;,)])",
        lambda m: TITLES[m[1].lower()],
    ),
    (
        rf"\b(?-i:({any_of(BARE_TITLES)}))\s(?=(?-i:[A-Z]))",
        lambda m: TITLES[m[1].lower()] + " ",
    ),
    (r"\b(vs)\b(?!\.)", "versus"),
    (r"\bdr\.", lambda m: "drive" + _dot(m)),
    (r"\bph\.?\s?d\b\.?", lambda m: "P H D" + _dot(m) * ("." in m[0])),
    (rf"\b({any_of(SHORT_FORMS)})\.", _short_form),
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
