"""English text as it is spoken, in words and punctuation.

The order is signs, special forms (addresses, dates, identifiers), quantities
with units, plain numbers, and acronyms. Text without a rule is read digit by
digit or letter by letter, or raises an error; only emoji and ornaments are
removed.
"""

import html
import re
import unicodedata

from speechbrain_gogo.dataio.text.characters import fold_characters, to_latin
from speechbrain_gogo.dataio.text.english import (
    abbreviations,
    addresses,
    dates,
    identifiers,
    letters,
    money,
    numbers,
    units,
)
from speechbrain_gogo.dataio.text.english.tables import SYMBOLS
from speechbrain_gogo.dataio.text.english.unit_tables import UNITS
from speechbrain_gogo.dataio.text.sentences import (
    mark_sentences,
    split_sentences,
)

QUOTES = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d\u201a"
ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#[1-9]\d{1,5});")
NO_PAUSES = str.maketrans("", "", ".,;:")


class English:
    """The front end of English.

    Example
    -------
    >>> english = English()
    >>> english.normalize("Dr. Li paid $3.50 for 2 kg at 5:30 p.m.! \U0001f600")
    'doctor Li paid three dollars and fifty cents for two kilograms at five \
thirty p m!'
    >>> english.split("Who? Me.", max_characters=200)
    ['Who?', 'Me.']
    """

    language, language_name = "en", "English"
    name = "english 2"  # of the rules: corpora say which ones they went through

    def normalize(self, text):
        """Write text as it is spoken.

        Arguments
        ---------
        text : str
            English, with whatever else is in it.

        Returns
        -------
        str
            Only letters from A to Z, apostrophes, hyphens, and ``. , ? ! ; :``;
            empty if nothing in the text can be spoken. Headings, list items and
            paragraphs end as sentences do.

        Raises
        ------
        ValueError
            If it has letters that cannot be transliterated, or characters that
            were lost before; the message names them.
        """
        text = ENTITY.sub(lambda m: html.unescape(m[0]), text)
        text = mark_sentences(fold_characters(text))
        text = to_latin(_name_greek(text))
        for pattern, spoken in RULES:
            text = pattern.sub(spoken, text)
        text = "".join(map(_say_symbol, text))
        text = re.sub(r"[^A-Za-z'.,?!;:\s-]", " ", text)
        return _tidy(text)

    __call__ = normalize

    split = staticmethod(split_sentences)


def _name_greek(text):
    """Greek letters that stand alone by their names, or as units."""
    if text.isascii():
        return text
    text = re.sub(
        r"(?<=\d)(\s?[kMmG\u00b5\u03bc]?)\u03a9(?!\w)", r"\1ohm", text
    )
    text = re.sub(r"(?<=\d)\s?[\u00b5\u03bc]([A-Za-z]{1,3})\b", _micro, text)
    alone = r"(?<![\u0370-\u03ff\u1f00-\u1fff])[\u0370-\u03ff\u00b5]"
    alone += r"(?![\u0370-\u03ff\u1f00-\u1fff\u0300-\u036f])"
    return re.sub(alone, _greek_name, text)


def _micro(match):
    known = f"u{match[1]}" in UNITS
    return f" u{match[1]}" if known else f" micro {match[1]}"


def _greek_name(match):
    name = unicodedata.name(match[0], "").lower()
    if " letter " not in name and "sign" not in name:
        return match[0]
    if match[0] == "\u00b5":
        return " mu "
    name = name.split(" letter ")[-1].split(" with ")[0]
    return f" {name.removeprefix('final ').replace('lamda', 'lambda')} "


def _say_symbol(character):
    """Signs by their names; emoji and ornaments by nothing."""
    if character.isascii() and character not in SYMBOLS:
        return character
    if character in SYMBOLS:
        return f" {SYMBOLS[character]} "
    if unicodedata.category(character) in ("Sc", "Sm"):
        name = unicodedata.name(character, "").lower()
        return f" {name.removesuffix(' sign')} "
    return " "


def _mark(match):
    """What counts of a run of punctuation, and a space if a word follows."""
    run, following = match.groups()
    if ends := run.translate(NO_PAUSES):
        return ends
    return "." if "." in run else f"{run[0]} " if following else run[0]


def _tidy(text):
    """One space between words, none before punctuation, no stray marks."""
    text = re.sub(r"(?<![A-Za-z])[-']+|[-']+(?![A-Za-z])", " ", text)
    text = re.sub(r"\s+([.,?!;:])", r"\1", " ".join(text.split()))
    text = re.sub(r"([.,?!;:]+)(?=(\S?))", _mark, text)
    text = text.lstrip(".,?!;: ")
    return text if re.search("[A-Za-z]", text) else ""


QUOTATIONS = [
    (r"\u2018([^\u2018\u2019]*)\u2019(?!\w)", r" \1 "),
    (r"\u201a([^\u2018\u201a]*)\u2018", r" \1 "),
    (r"`([^`]*)`", r" \1 "),
]
PUNCTUATION = [
    *QUOTATIONS,
    (rf"[{QUOTES}]", ' " '),
    (r"[\u2018\u2019\u201b\u02bc\u02bb`]", "'"),
    (r"[\u2010\u2011\ufe63]", "-"),
    (r"(?<=[\w)])\s?\u2212\s?(?=[\w(])", " minus "),
    (r"\u2212(?=\s?[\d.])", "-"),
    (r"(?<=\d)\s?--+\s?(?=\d)", "-"),
    (
        r"(?:(?<=[\d%°])|(?<=°[CF]))(?:\s?[\u2012\u2013]\s?|[\u2014\u2015])"
        r"(?=[\d\u20a0-\u20c0$£¥])",
        "-",
    ),
    (r"(?<=\d[a-z][a-z])\s?[\u2013-]\s?(?=\d+(?:st|nd|rd|th)\b)", " to "),
    (r"(?<!\w)[\u2012\u2013](?=\.?[\d$£¥€])", "-"),
    (r"(?-i:(?<=\b[A-Z])\u2013(?=[A-Z]\b))", " to "),
    (r"<=", "\u2264"),
    (r">=", "\u2265"),
    (r"!=|<>", "\u2260"),
    (r"<?[-=]+>", "\u2192"),
    (r"(?<=\d[kmb])[\u2013\u2014](?=[$£€\d])", "-"),
    (r"(?<=[a-z])\.(?=(?-i:[A-Z][a-z]))", ". "),
    (r"\u2026|\.{3,}|\.{2}(?!/[a-z_.])", ". "),
]
LATER_PUNCTUATION = [
    *QUOTATIONS,
    (r"[\u2012-\u2015\u301c]|(?<!\d)\s-+\s|\s-+\s(?!\d)|--+", ", "),
    (r"(?<=\w)[.](?=\w)(?<=(?-i:[a-z]).)(?=(?-i:[a-z]))", " dot "),
    (r"(?<=\S)\s+\(", ", "),
    (r"\)(?=\s+\w)", ","),
]
LETTERS_AND_DIGITS = [(r"(?<=\d)(?=[a-z])|(?<=[a-z])(?=\d)", " ")]


def _compiled(rules):
    """Patterns ready for use; case counts only where they say so."""
    flags = re.IGNORECASE | re.ASCII
    return [
        (re.compile(pattern, flags), _set_off(spoken))
        for pattern, spoken in rules
    ]


def _set_off(spoken):
    """Words in place of figures, set off from letters that touch them."""
    if isinstance(spoken, str):
        return spoken

    def replace(match):
        words = spoken(match)
        if words == match[0]:
            return words
        after = match.string[match.end() : match.end() + 1]
        touching = after.isalpha() and not match[0][-1:].isalpha()
        return f"{words} " if touching and words[-1:].isalpha() else words

    return replace


RULES = _compiled(
    [
        *PUNCTUATION,
        *addresses.RULES,
        *dates.RULES,
        *identifiers.RULES,
        *abbreviations.RULES,
        *numbers.GROUPED,
        *money.RULES,
        *units.SCIENTIFIC_RULES,
        *numbers.WRITTEN,
        *units.RULES,
        *letters.RULES,
        *numbers.COUNTED,
        *LETTERS_AND_DIGITS,
        *numbers.PLAIN,
        *LATER_PUNCTUATION,
    ]
)
