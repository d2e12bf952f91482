"""Numbers alone in English words: powers, fractions, ranges, and the rest."""

from speechbrain_gogo.dataio.text.english.words import (
    FIGURES,
    NUMBER,
    cardinal,
    digits,
    exponent,
    fraction,
    mixed,
    ordinal,
    plural_number,
    year,
)

POWERS = {"two": "squared", "three": "cubed"}
SPECIAL = {
    "24/7": "twenty-four seven",
    "9/11": "nine eleven",
    "50/50": "fifty-fifty",
    "20/20": "twenty twenty",
}


def _power(match):
    words = exponent(match[1])
    return f" {POWERS.get(words, f'to the power of {words}')}"


def _ion(match):
    """Ca^2+."""
    number = cardinal(match[1]) if match[1] else ""
    return f" {number} {'plus' if match[2] == '+' else 'minus'}"


def _fraction(match):
    top, bottom = match[1].replace(",", ""), match[2]
    if top == bottom or ("." in top and bottom in ("5", "10", "100")):
        return f"{cardinal(top)} out of {cardinal(bottom)}"
    return fraction(top, bottom)


def _mixed(match):
    whole, top, bottom = match.groups()
    if not 0 < int(top) < int(bottom) <= 64:
        return match[0]
    return mixed(whole, top, bottom)


def _ordinal(match):
    return ordinal(match[1].replace(",", ""))


def _group(match):
    """747s, and of 1984's."""
    if match[2]:
        return f"{year(match[1])}'s"
    return plural_number(cardinal(match[1]))


def _range(match):
    """3-5 and 50-50."""
    unit = match[2] or ""
    return f"{match[1]}{unit} {'' if match[1] == match[3] else 'to '}"


def _spelled(match):
    """Call 911, code 90210."""
    return f"{match[1]} {digits(match[2])}"


def _long(match):
    """Ten digits and more without separators: a count only if round."""
    return match[0] if match[0].endswith("000") else digits(match[0])


def _comma(match):
    """3,14 may be a decimal, and is never a thousand."""
    return f"{cardinal(match[1])} comma {digits(match[2])}"


def _spaced(match):
    """10 000 and 1 234 567.5 with spaces, but not 10 200."""
    first, *groups = match[0].split(" ")
    many = len(first) < 3 and len(groups) > 1
    if many or any(group[0] == "0" for group in groups):
        return first + "".join(groups)
    return match[0]


def _european(match):
    """1.234.567,89 means 1,234,567.89."""
    return match[0].replace(".", "").replace(",", ".")


# Numbers as they are grouped in some countries.
GROUPED = [
    (r"(?<![\w.])\.(?=\d)", "0."),
    (r"(?<![\w.,])[1-9]\d{0,2}(?: \d{3})+(?!\w|,\d)", _spaced),
    (
        r"(?<![\w.,])\d{1,3}(?:['_]\d{3})+(?!\w)",
        lambda m: m[0].replace("'", "").replace("_", ""),
    ),
    (r"(?<![\w.,])\d{1,3}(?:\.\d{3})+,\d+(?!\w)", _european),
    (  # lakhs and crores
        r"(?<![\w.,])\d{1,2}(?:,\d\d)+,\d{3}(?!\w|,\d)",
        lambda m: m[0].replace(",", ""),
    ),
]
# Before units are read.
WRITTEN = [
    (r"(?<=\d)\s-\s(?=[\d(][\d.,()+*/x×÷\s-]*=)", " minus "),
    (r"(?<=[\w)])\*\*(?=[\d(])", "^"),
    (r"(?<![\w)%°'.,-])-(?=\d|[a-z]\b(?!-))", " minus "),
    (r"(?-i:(?<=\b[nkxyz]))\s?-\s?(?=\d)", " minus "),
    (r"(?<=\d)(/\d+)\s?-\s?(?=\d)", r"\1 to "),
    (r"(?<=\d)-(?=\()", " minus "),
    (
        rf"(?<![.,-])({NUMBER})\s?(%|°\s?[CF]?)?(?:-|\s-\s)"
        rf"(?=({FIGURES})(?![\d/]|-\d|\.\d))",
        _range,
    ),
    (r"(?<=\d)(?:x|\sx\s)(?=\.?\d)", " by "),
    (rf"({NUMBER})'\s?[x×]\s?({FIGURES})'", r"\1 feet by \2 feet"),
    (r"(?<=\d)(\s?(?:ft|in|cm|mm|m|[\"″]))\s?[x×]\s?(?=\d)", r"\1 by "),
    (rf"({NUMBER})\s?(?:x|×(?!\s?\d))(?![\w(^]|\s*[-+=*/<>])", r"\1 times"),
    (r"(?<=\d)[⋅·](?=\d)", " times "),
    (r"~\s?(?=\d)", "about "),
    (r"(?<=\d)\s?\*\s?(?=\d)", " times "),
    (r"(?<=\d) / (?=\d)", "/"),
    (rf"(?<!/)({NUMBER})(?:st|nd|rd|th)\b", _ordinal),
    *((rf"(?<![\w/]){a}(?![\w/])", said) for a, said in SPECIAL.items()),
]
# After units.
COUNTED = [
    (r"(?<![\w/.,])(\d+)[\s-](\d{1,3})/(\d{1,3})(?![\w/])", _mixed),
    (rf"({NUMBER})/(\d+)(?:rds?|ths?|nds?)?(?![\w/])", _fraction),
    (r"(?<=\d)/(?=[a-z]\b)", " over "),
    # A note, no power.
    (r"(?<=[a-z][a-z][a-z])(?<!sin|cos|tan|log)\^(\d+)", r" \1"),
    (r"(?<=[a-z])\^(\d*)([+-])(?!\d)", _ion),
    (r"(?<=[\w)])\^(?=[a-z]\b)", " to the power of "),
    (r"(?<=[\w)])\^([+-]?\d+)", _power),
    (r"(?<![\w.,])(\d+)('?)s\b", _group),
    (r"(?-i:№|\bN[o°]\.?)\s?(?=\d)", "number "),
    (r"#\s?(?=\d)", " number "),
    (
        r"\b(call|dial|text|code|zip|pin|ending in|extension) (\d{3,9})\b"
        r"(?![.,-]?\d)",
        _spelled,
    ),
    (r"(?<![\w.,])\d{10,}(?![\w]|[.,]\d)", _long),
    (r"(?<![\w.,])(\d+),(\d\d?|\d{4,})(?![\w]|[.,]\d)", _comma),
]
# At the end, when no letter touches a digit.
PLAIN = [
    (r"(?<![\d.,])(1[1-9]\d\d|20\d\d)(?![\d]|[.,]\d)", lambda m: year(m[1])),
    (rf"{NUMBER}|\d+", lambda m: cardinal(m[0])),
]
