"""Normalization of Unicode, independent of the language.

Compatibility characters (ligatures, full-width forms, squared units, circled
digits), digits of other scripts, and invisible characters are folded.
Superscripts remain distinct from digits: 10² becomes 10^2, never 102.
"""

import re
import unicodedata
from itertools import groupby

from anyascii import anyascii

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
FRACTIONS = "\u00bc-\u00be\u2150-\u215e\u2189"
SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉₊₋"
DIGITS = "0123456789+-"
PLAIN = str.maketrans(SUPERSCRIPTS + SUBSCRIPTS, DIGITS * 2)
# What compatibility decomposition would make less clear.
UNCLEAR = str.maketrans(
    {
        "\u00b4": "'",  # acute accent, typed as an apostrophe
        "\u2116": " No. ",
        "\u2044": "/",
        "\u2122": " trademark ",
        "\u2033": '"',
        "\u3003": '"',
        "\u066a": "%",  # Arabic percent sign
        "\u066b": ".",  # Arabic decimal separator
        "\u066c": ",",  # Arabic thousands separator
    }
)
# A space that does not break separates thousands.
THIN_SPACES = "\u00a0\u2007\u2009\u202f"
EXPANDED = (
    "<compat>",
    "<wide>",
    "<narrow>",
    "<small>",
    "<square>",
    "<font>",
    "<noBreak>",
)


def fold_characters(text):
    """Replace compatibility characters by plain ones.

    The result is composed (NFC) text with ASCII digits and spaces; superscripts
    as ``^2``, vulgar fractions as ``1/2``, set off from neighbouring digits.
    Raises a ValueError if characters were lost before: lone surrogates, or
    U+FFFD.

    Example
    -------
    >>> fold_characters("1\u00bd of\ufb01ces of 10\u00b2 \u338f, \u0664\u0662")
    '1 1/2 offices of 10^2 kg, 42'
    """
    if lost := sorted(set(re.findall("[\ud800-\udfff\ufffd]", text))):
        codes = ", ".join(f"U+{ord(c):04X}" for c in lost)
        raise ValueError(
            f"The text has characters that were lost when it was read "
            f"({codes}): read it with its own encoding. It begins "
            f"{text[:40]!a}."
        )
    text = re.sub("\r\n|[\r\v\f\x85\u2028]", "\n", text)
    text = text.replace("\u2029", "\n\n")
    if text.isascii():
        return re.sub(r"[^\n\t -~]", " ", text)
    text = re.sub(
        rf"(?<=\d)[{THIN_SPACES}](?=\d{{3}}(?!\d))",
        "",
        unicodedata.normalize("NFC", text.translate(UNCLEAR)),
    )
    # 1½ is not 11/2.
    text = re.sub(rf"(?<=[\d{FRACTIONS}])(?=[{FRACTIONS}])", " ", text)
    text = re.sub(rf"(?<=[{FRACTIONS}])(?=\d)", " ", text)
    text = "".join(map(_expand, text))
    text = re.sub(  # typeset fractions: superscript, slash, subscript
        rf"(\d?)([{SUPERSCRIPTS}]+)/([{SUBSCRIPTS}]+)",
        lambda m: f"{m[1]} {m[2].translate(PLAIN)}/{m[3].translate(PLAIN)}",
        text,
    )
    text = re.sub(
        rf"(?<![\w)\]{SUPERSCRIPTS}])[{SUPERSCRIPTS}]+",  # of nothing: a note
        lambda m: f" {m[0].translate(PLAIN)}",
        text,
    )
    text = re.sub(
        rf"[{SUPERSCRIPTS}]+", lambda m: f"^{m[0].translate(PLAIN)}", text
    )
    text = "".join(map(_fold, text.translate(PLAIN)))
    text = re.sub(r"(?<=\d)º", "°", text)
    return unicodedata.normalize("NFC", text)


def _expand(character):
    """One step of the expansion of a compatibility character."""
    if character.isascii():
        return character
    tag, _, codes = unicodedata.decomposition(character).partition(" ")
    if tag == "<fraction>":
        return unicodedata.normalize("NFKC", character).replace("\u2044", "/")
    if tag == "<circle>":  # 1① is not 11
        return f" {unicodedata.normalize('NFKC', character)} "
    if tag in EXPANDED and unicodedata.category(character) != "Sk":
        plain = "".join(chr(int(code, 16)) for code in codes.split())
        plain = "".join(map(_expand, plain))
        if unicodedata.category(character) in ("No", "Nl"):
            if plain.islower():  # a Roman numeral
                plain = f"{unicodedata.numeric(character):.10g}"
            return f" {plain} "
        return plain
    return character


def _fold(character):
    """Fold a character independently of its neighbours."""
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("No", "Nl"):
        value = unicodedata.numeric(character)
        return f" {value:.10g} "
    if category in ("Cf", "Me") or "\ufe00" <= character <= "\ufe0f":
        return ""  # invisible
    if category[0] == "Z" or category == "Cc":
        return character if character in "\n\t" else " "
    if character in "\u207f\u2071":  # powers: n and i
        return "^n" if character == "\u207f" else "^i"
    if category == "Lm":  # small letters of ordinals, such as in 5ᵗʰ
        return unicodedata.normalize("NFKC", character)
    return character


def to_latin(text):
    """Letters of any script as those from A to Z; anyascii transliterates.

    The text is that of :func:`fold_characters`. Letters lose their accents;
    other signs are kept. Raises a ValueError that names letters that cannot be
    transliterated.

    Example
    -------
    >>> to_latin("\u00c6thelred \u0141uk, \u041c\u0438\u0440 \u6c49\u5b57")
    'Aethelred Luk, Mir han zi'
    """
    if text.isascii():
        return text
    text = _without_marks(text)
    runs = [
        (foreign, "".join(run)) for foreign, run in groupby(text, _is_foreign)
    ]
    following = [run for _, run in runs[1:]] + [""]
    return "".join(
        _latin(run, after) if foreign else run
        for (foreign, run), after in zip(runs, following)
    )


def _is_foreign(character):
    """Whether it is a letter other than A to Z, or a combining mark."""
    return (
        not character.isascii() and unicodedata.category(character)[0] in "LM"
    )


def _without_marks(text):
    """Accented letters with a plain form, without their accents."""
    plain = re.sub(
        "([^\\W\\d_])[\u0300-\u036f]+",
        r"\1",
        unicodedata.normalize("NFD", text),
    )
    return unicodedata.normalize("NFC", plain)


def _latin(letters, following):
    """Transliterate a run of letters outside A to Z, given the following text."""
    latin = re.sub("[^A-Za-z']", "", anyascii(letters))
    if not latin and any(
        unicodedata.category(c)[:2] in ("Lo", "Ll", "Lu") for c in letters
    ):
        named = ", ".join(
            f"{c} (U+{ord(c):04X} {unicodedata.name(c, 'without a name')})"
            for c in letters[:5]
        )
        raise ValueError(
            f"Letters that cannot be read aloud: {named}. Write them in "
            "another script."
        )
    if unicodedata.category(letters[0]) == "Lo":
        # Scripts without case; ideographs are transliterated as Han Zi.
        latin = re.sub("(?<=[a-z'])(?=[A-Z])", " ", latin).lower()
    if letters.isupper() and len(letters) == 1 and following[:1].islower():
        return latin.capitalize()  # AE of a name
    return latin
