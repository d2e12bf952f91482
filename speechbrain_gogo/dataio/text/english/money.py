"""Amounts of money in English words."""

import unicodedata

from speechbrain_gogo.dataio.text.english.tables import any_of
from speechbrain_gogo.dataio.text.english.unit_tables import (
    CODES,
    MAGNITUDES,
    MONEY,
    NATIONS,
    PARTS,
)
from speechbrain_gogo.dataio.text.english.words import (
    FIGURES,
    NUMBER,
    cardinal,
    mixed,
    named,
    plural,
)

SIGNS = "".join(chr(c) for c in range(0x20A0, 0x20C1)) + "$£¥฿"
NATION = rf"(?-i:({any_of(NATIONS)}))?"
CODE = rf"(?-i:({any_of(CODES)}))"
MAGNITUDE = rf"(?:[\s-]?({any_of(MAGNITUDES)})\b)?"
AMOUNT = r"(\d++(?:,\d{3}(?!\d))*+)(?:\.(\d++))?"


def _currency(sign):
    """Names of a currency and its hundredth, if it has one here."""
    if sign in MONEY or sign in CODES:
        return MONEY.get(sign) or CODES[sign]
    name = unicodedata.name(sign).removesuffix(" SIGN")
    return name.lower(), None


def say_money(nation, sign, amount, decimals, magnitude=None):
    """An amount of money in words.

    The nation is US, A, HK or another one of NATIONS, or None; the sign, that
    of a currency or its code; amount and decimals, the digits before and after
    the point; the magnitude, one of MAGNITUDES. Decimals and magnitude may be
    None.

    Example
    -------
    >>> say_money(None, "$", "0", "99"), say_money("US", "$", "1", "5", "M")
    ('ninety-nine cents', 'one point five million US dollars')
    """
    unit, part = _currency(sign)
    if nation:
        unit = f"{NATIONS[nation]} {unit}"
    number = f"{amount}.{decimals}" if decimals else amount
    if magnitude:
        words = cardinal(number)
        return f"{words} {MAGNITUDES[magnitude.lower()]} {plural(unit)}"
    if decimals and (part is None or len(decimals) > 2):
        return f"{cardinal(number)} {plural(unit)}"
    spoken = []
    cents = str(int(decimals.ljust(2, "0"))) if decimals else "0"
    if cents == "0" or amount.strip("0,"):
        spoken.append(f"{cardinal(amount)} {plural(unit, amount)}")
    if cents != "0":
        parts = PARTS.get(part) or plural(part, cents)
        parts = part if cents == "1" else parts
        spoken.append(f"{cardinal(cents)} {parts}")
    return " and ".join(spoken)


def _sign_first(match):
    return say_money(*match.groups())


def _sign_last(match):
    amount, decimals, magnitude, sign = match.groups()
    return say_money(None, sign, amount, decimals, magnitude)


def _code_first(match):
    code, amount, decimals, magnitude = match.groups()
    return say_money(None, code, amount, decimals, magnitude)


def _money_range(match):
    """$5-10 million as five to ten million dollars."""
    sign, first, magnitude, second = match.groups()
    first, _, decimals = first.partition(".")
    if len(decimals) == 2 and not magnitude:
        spoken = say_money(sign[:-1], sign[-1], first, decimals)
    else:
        spoken = cardinal(f"{first}.{decimals}" if decimals else first)
    if magnitude:
        spoken = f"{spoken} {MAGNITUDES[magnitude.lower()]}"
    return f"{spoken} to {sign}{second}"


def _mixed_money(match):
    """$1 1/2 million."""
    nation, sign, whole, top, bottom, magnitude = match.groups()
    unit = plural(_currency(sign)[0])
    unit = f"{NATIONS[nation]} {unit}" if nation else unit
    number = mixed(whole, top, bottom)
    if magnitude:
        number = f"{number} {MAGNITUDES[magnitude.lower()]}"
    return f"{number} {unit}"


def _decimal_comma(match):
    """1,50 as it is written before and after the euro's sign."""
    return match[0].replace(",", ".")


RULES = [
    (r"\bRs\.?\s?(?=\d)", "₹"),
    (
        r"(?<![\w.,])\d{1,3}(?:\.\d{3})*,\d\d(?=\s?€)"
        rf"|(?<=[{SIGNS}])\d+,\d\d?(?!\d|,\d)",
        _decimal_comma,
    ),
    (
        rf"(?<=[{SIGNS}])\d{{1,3}}(?:\.\d{{3}}){{2,}}(?!\d)",
        lambda m: m[0].replace(".", ""),
    ),
    (
        rf"(?<![a-z]){NATION}([{SIGNS}])\s?(\d+)\s(\d+)/(\d+){MAGNITUDE}",
        _mixed_money,
    ),
    (rf"(?<![\w)])-\s?(?=(?:{any_of(NATIONS)})?[{SIGNS}]\s?\d)", "minus "),
    (rf"(?<!\w)([{SIGNS}])-(?=\d)", r"minus \1"),
    (
        rf"(?<![a-z])((?:{any_of(NATIONS)})?[{SIGNS}])\s?({FIGURES})"
        rf"{MAGNITUDE}"
        rf"\s?-\s?(?:(?:{any_of(NATIONS)})?[{SIGNS}])?(\d)",
        _money_range,
    ),
    (rf"(?<![a-z]){NATION}([{SIGNS}])\s?{AMOUNT}{MAGNITUDE}", _sign_first),
    (rf"(?<![\w.,]){AMOUNT}{MAGNITUDE}\s?([{SIGNS}])", _sign_last),
    (rf"\b{CODE}\s?{AMOUNT}{MAGNITUDE}", _code_first),
    (rf"(?<![\w.,]){AMOUNT}{MAGNITUDE}\s?{CODE}\b", _sign_last),
    (rf"({NUMBER})\s?¢", named("cent")),
]
