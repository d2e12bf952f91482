"""English text as a speech model reads it: words and punctuation only.

Abbreviations and whatever is written in digits become words (the inflect
library counts), emoji and markup are dropped, and long text is cut into
sentences that fit a model's positions. Tokens of text are not made here.
"""

import functools
import re
import unicodedata

import inflect

from speechbrain_gogo.dataio.text.abbreviations import (
    BEFORE_NUMBERS,
    MAGNITUDES,
    MONEY,
    MONTHS,
    OPENERS,
    SHORT_FORMS,
    SMALL_UNITS,
    SYMBOLS,
    TITLES,
    UNCOUNTED,
    UNITS,
)

QUOTES = str.maketrans("\u2018\u2019\u02bc\u2010\u2011\u2212", "'''---")
NO_PAUSES = str.maketrans("", "", ".,;:")
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"


def normalize_english(text):
    """Write text as it is spoken.

    Arguments
    ---------
    text : str
        English, with whatever else is in it.

    Returns
    -------
    str
        Letters, apostrophes, hyphens, and ``. , ? ! ; :`` alone; empty if
        nothing in the text can be spoken.

    Example
    -------
    >>> normalize_english("Dr. Li paid $3.50 for 2 kg at 5:30 p.m.! \U0001f600")
    'doctor Li paid three dollars and fifty cents for two kilograms at five \
thirty p m!'
    """
    text = unicodedata.normalize("NFKC", text.translate(QUOTES))
    for pattern, spoken in RULES:
        text = pattern.sub(spoken, text)
    # Letters lose their accents; what else is not spoken separates words.
    text = unicodedata.normalize("NFKD", text)
    text = re.sub(r"[\u0300-\u036f]", "", text)
    text = re.sub(r"[^A-Za-z'.,?!;:\s-]", " ", text)
    return _tidy(text)


def split_sentences(text, max_characters=200):
    """Cut normalised text into sentences, and long sentences into clauses.

    Arguments
    ---------
    text : str
        From :func:`normalize_english`.
    max_characters : int
        A longer sentence is cut at the last comma, or else the last space,
        that makes a piece of at most so many characters.

    Returns
    -------
    list of str
        Pieces with at least one letter each, in their order.

    Example
    -------
    >>> split_sentences("Who? Me. I came, I saw, I won.", 14)
    ['Who?', 'Me.', 'I came, I saw,', 'I won.']
    """
    pieces = []
    for sentence in re.split(r"(?<=[.?!])\s+", text):
        while len(sentence) > max_characters:
            head = sentence[: max_characters + 1]
            ends = [m.end() for m in re.finditer(r"[,;:](?=\s)", head)]
            ends = ends or [m.start() for m in re.finditer(r"\s", head)]
            end = ends[-1] if ends and ends[-1] else max_characters
            pieces.append(sentence[:end])
            sentence = sentence[end:].lstrip()
        pieces.append(sentence)
    return [piece for piece in pieces if re.search("[A-Za-z]", piece)]


@functools.lru_cache(maxsize=1)
def _inflect():
    return inflect.engine()


def _say(digits):
    """A number with or without separators and decimals, in words."""
    digits = digits.replace(",", "")
    whole = digits.partition(".")[0]
    # inflect counts to 10^36; long numbers and 007 are read digit by digit.
    single = len(whole) > 15 or (len(whole) > 1 and whole[0] == "0")
    return _inflect().number_to_words(
        digits, andword="", comma="", group=1 if single else 0
    )


def _ordinal(match):
    return _inflect().ordinal(_say(match[1]))


def _year(digits):
    """1984 as nineteen eighty-four."""
    century, rest = digits[:2], digits[2:]
    if digits[1:3] == "00":  # 2000 to 2009
        return _say(digits)
    if rest == "00":
        return f"{_say(century)} hundred"
    return f"{_say(century)} {'oh ' * (rest[0] == '0')}{_say(str(int(rest)))}"


def _plural(noun, count):
    if noun in UNCOUNTED:
        return noun
    return _inflect().plural(noun, 1 if count == "1" else 2)


def _decade(match):
    year = match[1]
    if year in ("00", "100"):
        return {"00": "two thousands", "100": "hundreds"}[year]
    if len(year) == 4 and year[-2:] == "00":
        return f"{_year(year)}s"
    return _inflect().plural(_year(year) if len(year) == 4 else _say(year))


def _money(match):
    sign, amount, cents, magnitude = match.groups()
    unit, part = MONEY[sign]
    if magnitude:
        amount = _say(amount + (f".{cents}" if cents else ""))
        return f"{amount} {MAGNITUDES[magnitude.lower()]} {_plural(unit, '2')}"
    spoken = [f"{_say(amount)} {_plural(unit, amount)}"]
    if cents and int(cents):
        cents = str(int(cents.ljust(2, "0")[:2]))
        spoken.append(f"{_say(cents)} {_plural(part, cents)}")
    return " and ".join(spoken[amount == "0" and len(spoken) == 2 :])


def _time(match):
    hour, minute = match[1], match[2]
    if minute == "00":
        return f"{_say(str(int(hour)))} o'clock"
    oh = "oh " if minute[0] == "0" else ""
    return f"{_say(str(int(hour)))} {oh}{_say(str(int(minute)))}"


def _fraction(match):
    top, bottom = match[1], match[2]
    if bottom in ("0", "1") or "." in top or len(bottom) > 2:
        return f"{_say(top)} over {_say(bottom)}"
    engine = _inflect()
    names = {"2": "half", "4": "quarter"}
    name = names.get(bottom) or engine.ordinal(_say(bottom))
    if top == "1":
        return f"one {name}"
    return f"{_say(top)} {'halves' if bottom == '2' else engine.plural(name)}"


def _initials(match):
    """p.m. as p m; the last dot stays where a sentence may end."""
    return " ".join(match[1].replace(".", "")) + _dot(match)


def _dot(match):
    following = match.string[match.end() :].lstrip()
    return "." if not following or following[0].isupper() else ""


def _any_of(words):
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def _rules():
    """Pairs of a pattern and what is said for it, in their order."""
    # "may" and "march" are words, too.
    months = f"(?-i:May|March)|{_any_of(set(MONTHS) - {'May', 'March'})}"
    units = _any_of(set(UNITS) - set(SMALL_UNITS))
    opener = rf"(?-i:{'|'.join(OPENERS)})\b"
    rules = [
        (r"https?://|www\.", " "),
        (r"(?<!\w)\.(?=\d)", "0."),
        (r"[\u2013\u2014]|\s-+\s|--+", ", "),
        (r"\u2026|\.{2,}", ". "),
        (rf"\bst\.(?=\s+(?-i:[A-Z]))(?!\s+{opener})", "saint"),
        (r"\bst\.", lambda m: "street" + _dot(m)),
        (
            rf"\b({_any_of(BEFORE_NUMBERS)})\.\s*(?=\d)",
            lambda m: BEFORE_NUMBERS[m[1].lower()] + " ",
        ),
        (
            rf"(?<!\d)(?<!\d\s)\b({_any_of(TITLES)})\.(?=\s+\S)",
            lambda m: TITLES[m[1].lower()],
        ),
        (
            rf"(?<!\d)(?<!\d\s)\b({_any_of(SHORT_FORMS)})\.",
            lambda m: SHORT_FORMS[m[1].lower()] + _dot(m),
        ),
        (r"(?<=\d)\s?([ap])m\b", r" \1 m"),
        (r"(?<=\d)(?=[ap]\.m\.)", " "),
        (r"\b((?:[a-z]\.){2,})", _initials),
        (rf"(?-i:\b([A-HJ-Z])\.(?=\s+[A-Z]))(?!\s+{opener})", r"\1"),
        (
            rf"([{''.join(MONEY)}])\s?(\d[\d,]*)(?:\.(\d+))?"
            rf"(?:\s?({_any_of(MAGNITUDES)}))?\b",
            _money,
        ),
        (r"\b(\d{1,2}):(\d\d)\b", _time),
        (
            rf"\b({months}) (\d\d?)(?:st|nd|rd|th)?\b",
            lambda m: f"{m[1]} {_inflect().ordinal(_say(m[2]))}",
        ),
        (r"\b(\d[\d,]{0,30})(?:st|nd|rd|th)\b", _ordinal),
        (r"\b(\d0|\d00|\d\d\d0)'?s\b", _decade),
        (r"\b24/7\b", "twenty-four seven"),
        (rf"(?<![\w/])({NUMBER})[/\u2044](\d+)\b(?!/)", _fraction),
        (rf"(?<![\w-])({NUMBER})\s?-\s?(?={NUMBER}(?![\w-]))", r"\1 to "),
        (rf"(?<![\w.,-])-(?={NUMBER})", "minus "),
        (
            rf"(?<!\d)({NUMBER})\s?({units}|(?-i:{'|'.join(SMALL_UNITS)}))"
            r"(?![\w/])"
            r"(?:\.(?=\s+(?-i:[a-z])))?",
            lambda m: f"{_say(m[1])} {_plural(UNITS[m[2].lower()], m[1])}",
        ),
        (r"#\s?(?=\d)", "number "),
        (r"(?<=\d)(?=[a-z])|(?<=[a-z])(?=\d)", " "),
        (
            r"(?<![\d.,])(1[1-9]\d\d|20\d\d)(?!\d|[.,]\d)",
            lambda m: _year(m[1]),
        ),
        (rf"{NUMBER}|\d+", lambda m: _say(m[0])),
        (
            rf"[{re.escape(''.join(SYMBOLS))}]",
            lambda m: f" {SYMBOLS[m[0]]} ",
        ),
    ]
    flags = re.IGNORECASE | re.ASCII
    return [(re.compile(pattern, flags), spoken) for pattern, spoken in rules]


RULES = _rules()


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
