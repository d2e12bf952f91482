"""Dates and times of day in English words."""

from speechbrain_gogo.dataio.text.english.tables import MONTHS, WEEKDAYS, any_of
from speechbrain_gogo.dataio.text.english.words import (
    cardinal,
    digits,
    ordinal,
    plural_number,
    year,
)

# "may" and "march" are words, too.
MONTH = f"(?-i:May|March)|{any_of(set(MONTHS) - {'may', 'march'})}"
SHORT_MONTHS = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec"
SHORT_MONTH = rf"(?:(?:{SHORT_MONTHS})\b\.?)"
ANY_MONTH = rf"(?:\b(?:{MONTH})\b|\b{SHORT_MONTH})"
MONTH_NAMES = [name.capitalize() for name in MONTHS]
DAYS = 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
YEAR = r"(?:1\d|20|21)\d\d"


def _date(day, month, of_year):
    """November twenty-eighth, twenty twenty-six; None if there is no such."""
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= DAYS[int(month) - 1]):
        return None
    spoken = f"{MONTH_NAMES[int(month) - 1]} {ordinal(str(int(day)))}"
    if not of_year:
        return spoken
    if len(of_year) == 2:
        zero = of_year[0] == "0"
        said = ("oh " if zero else "") + cardinal(str(int(of_year)))
        return f"{spoken}, {said}"
    return f"{spoken}, {year(of_year)}"


def _iso(match):
    return _date(match[4], match[3], match[1]) or match[0]


def _slashes(match):
    """American order, unless it can only be the other one."""
    first, second, of_year = match[1], match[3], match[4]
    return (
        _date(second, first, of_year)
        or _date(first, second, of_year)
        or f"{digits(first)} slash {digits(second)} slash {digits(of_year)}"
    )


def _dots(match):
    """European order, unless it can only be the other one."""
    first, second, of_year = match.groups()
    return (
        _date(first, second, of_year)
        or _date(second, first, of_year)
        or match[0]
    )


def _on_day(match):
    return f"on {_date(match[2], match[1], '') or match[0][3:]}"


def _month(name):
    """The whole name of a month."""
    name = name.strip(". ").lower()
    return next(m for m in MONTH_NAMES if m.lower().startswith(name[:3]))


def _day_first(match):
    """28 Nov 2026."""
    spoken = f"{ordinal(match[1])} of {_month(match[2])}"
    if match[4]:
        return f"{spoken} {cardinal(match[4])}"
    return f"{spoken} {year(match[3])}" if match[3] else spoken


def _days_first(match):
    """20-30 Nov."""
    first, last = ordinal(match[1]), ordinal(match[2])
    return f"{first} to {last} of {_month(match[3])}"


def _month_first(match):
    """Nov. 28th, 2026."""
    spoken = f"{_month(match[1])} {ordinal(match[2])}"
    return f"{spoken}, {year(match[3])}" if match[3] else spoken


def _month_range(match):
    """May 3-5."""
    return f"{_month(match[1])} {ordinal(match[2])} to {ordinal(match[3])}"


def _decade(match):
    number = match[1]
    if number in ("00", "100"):
        return {"00": "two thousands", "100": "hundreds"}[number]
    if len(number) == 4 and number[-2:] == "00":
        return f"{year(number)}s"
    return plural_number(year(number))


def _years(match):
    """1990-95 and 1990-1995."""
    first, second = match[1], match[2]
    if len(second) == 2 and int(second) <= int(first[2:]):
        if 0 < int(second) < 13:
            return f"{MONTH_NAMES[int(second) - 1]} {year(first)}"
        return match[0]
    second = year(second) if len(second) == 4 else cardinal(second)
    return f"{year(first)} to {second}"


def _time(match):
    hour, minute, second, half = match[1], match[2], match[3], match[4]
    spoken = cardinal(str(int(hour)))
    if minute != "00":
        oh = "oh " if minute[0] == "0" else ""
        spoken = f"{spoken} {oh}{cardinal(str(int(minute)))}"
    elif second or not half:
        daytime = 0 < int(hour) < 13
        spoken = f"{spoken} o'clock" if daytime else f"{spoken} hundred hours"
    if second:
        unit = "second" if int(second) == 1 else "seconds"
        spoken = f"{spoken} and {cardinal(str(int(second)))} {unit}"
    return spoken


def _lap(match):
    """2:05.3, minutes and seconds."""
    oh = "oh " if match[2][0] == "0" else ""
    seconds = f"{oh}{cardinal(str(int(match[2])))}"
    return f"{cardinal(match[1])} {seconds} point {digits(match[3])}"


def _ratio(match):
    before, after = match[0].split(":", 1)
    parts = [before, *after.split(":")]
    return " to ".join(map(cardinal, parts))


HALF_DAY = r"(?=( [ap](?: |\.)m\b)?)"
RULES = [
    (r"(?-i:(?<![\w°.'])ca?\.)\s?(?=\d{3,4}\b)", "circa "),
    (r"(?<=\d)\s?([ap])m\b", lambda m: f" {m[1].lower()} m"),
    (r"(?<=\d)(?=[ap]\.\s?m\.)", " "),
    # ISO 8601, with the time after a T.
    (r"(?<=\d-\d\d)T(?=\d\d:\d\d)", " at "),
    (r"(?<=:\d\d)(?:\.\d+)?Z\b", " universal time"),
    (r"(?<![\w.-])(\d{4})([-/])(\d\d?)\2(\d\d?)(?![\w/-])", _iso),
    (
        r"(?<![\w./-])(\d\d?)([/-])(\d\d?)\2(\d{4}|(?<=/)\d\d)(?![\w/-])",
        _slashes,
    ),
    (r"(?<![\w.])(\d\d?)\.(\d\d?)\.(\d{4})(?!\d|\.\d)", _dots),
    (
        rf"(?<![\w/.,-])(0?[1-9]|1[0-2])[/-]({YEAR})(?![\w/-])",
        lambda m: f"{MONTH_NAMES[int(m[1]) - 1]} {year(m[2])}",
    ),
    (r"\bon (\d\d?)/(\d\d?)(?![\d/])", _on_day),
    (rf"(?<![\w.,:-])(\d\d?)\s?-\s?(\d\d?) ({ANY_MONTH})(?!\w)", _days_first),
    (
        rf"(?<![\w.,:-])(\d\d?)(?:st|nd|rd|th)?(?:(?: of)? |-)({ANY_MONTH})"
        rf"(?:(?:,? |-)({YEAR})|(?:-| ')(\d\d))?(?!\w)",
        _day_first,
    ),
    (
        rf"({ANY_MONTH}) (\d\d?)\s?(?:-|to)\s?(\d\d?)(?![\w:/%.-]|,\d)",
        _month_range,
    ),
    (
        rf"(?<!of )({ANY_MONTH})[ -](\d\d?)(?:st|nd|rd|th)?(?:(?:,? |-)({YEAR}))?"
        r"(?![\w:/%-]|[.,]\d)",
        _month_first,
    ),
    (
        rf"\b({MONTH})\s?[-\u2013]\s?({MONTH})\b",
        lambda m: f"{_month(m[1])} to {_month(m[2])}",
    ),
    (
        r"(?-i:\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\.?\s?[-\u2013]"
        r"\s?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec))\b\.?",
        lambda m: f"{_month(m[1])} to {_month(m[2])}",
    ),
    (rf"({ANY_MONTH})(?=,? '?{YEAR}\b)", lambda m: _month(m[1])),
    (
        rf"\b({any_of(w[:3] for w in WEEKDAYS)})"
        rf"\s?-\s?({any_of(w[:3] for w in WEEKDAYS)})\b\.?",
        lambda m: f"{_weekday(m[1])} to {_weekday(m[2])}",
    ),
    (
        r"\b(?-i:(Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun))"
        r"(?:\.(?=\s+\S)|(?=,))",
        lambda m: _weekday(m[1]),
    ),
    (rf"(?<![\w.,$-])({YEAR})\s?[-/]\s?({YEAR}|\d\d)(?![\w-]|[.,]\d)", _years),
    (r"(?<=\d)\s?-\s?(?=\d\d(?:\d\d)?'?s\b)", " to "),
    (r"(\d0)'?s\s?[-\u2013]\s?(?='?\d\d)", r"\1s to "),
    (r"(?<![\w.])'?(\d0|\d00|\d\d\d0)'?s\b", _decade),
    (r"(?<=:\d\d)\s?-\s?(?=\d?\d:\d\d)", " to "),
    (r"(?:(?<=[ap] m)|(?<=[ap]\.m\.))\s?[-\u2013]\s?(?=\d)", " to "),
    # Times of day, then what only looks like them.
    (
        r"\b(?:ratio|scale|odds|aspect)(?: \w+){0,2} (\d+(?::\d+)+)",
        lambda m: m[0].replace(m[1], " to ".join(m[1].split(":"))),
    ),
    (
        r"(?<![\w:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?"
        rf"(?![\w:]*\d)(?!\.\d){HALF_DAY}",
        _time,
    ),
    (r"(?<![\w:.])(\d+):([0-5]\d)\.(\d+)(?![\w:.])", _lap),
    (r"(?<![\w:.])(1[0-2]|0?[1-9])\.([0-5]\d)()(?=( [ap](?: |\.)m\b))", _time),
    (r"(?<![\w:.])\d+(?::\d+)+(?![\w:])", _ratio),
]


def _weekday(name):
    return next(w for w in WEEKDAYS if w.startswith(name[:3].lower())).title()
