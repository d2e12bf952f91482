"""Numbers and plurals in English words, by the inflect library."""

import functools
import re

import roman

# Never the start of another number: not within 1.2.3, F16 or 12.
FIGURES = r"\d++(?:,\d{3}(?!\d))*+(?:\.\d++)?+"
NUMBER = rf"(?<![\w^])(?<!\^[+-])(?<!\d[.,]){FIGURES}"
UNCOUNTED = "percent", "hertz", "yen", "yuan", "won", "baht", "mille"
FRACTIONS = {"2": "half", "4": "quarter"}
LONGEST = 15  # digits of a number that is read as one


@functools.lru_cache(maxsize=1)
def _inflect():
    import inflect  # takes two seconds

    return inflect.engine()


@functools.lru_cache(maxsize=4096)
def cardinal(number):
    """A number in words.

    Digits, maybe with a sign, separators and decimals. With a leading zero, or
    more than 15 digits, it is read digit by digit.

    Example
    -------
    >>> cardinal("-1,234.5"), cardinal("007")
    ('minus one thousand two hundred thirty-four point five', 'zero zero seven')
    """
    if number[:1] in "+-":
        sign = {"+": "plus", "-": "minus"}[number[0]]
        return f"{sign} {cardinal(number[1:])}"
    number = number.replace(",", "")
    whole, point, decimals = (number or "0").partition(".")
    if len(whole) > LONGEST or (len(whole) > 1 and whole[0] == "0"):
        words = digits(whole)
    else:
        words = _inflect().number_to_words(whole or "0", andword="", comma="")
        words = words.replace(",", "")  # inflect 7.0 takes "" as its default
    return f"{words} point {digits(decimals)}" if point else words


@functools.lru_cache(maxsize=1)
def _names():
    return [_inflect().number_to_words(digit) for digit in range(10)]


def digits(number):
    """Each digit of a text in words, everything else left out."""
    return " ".join(_names()[int(d)] for d in re.findall("[0-9]", number))


def exponent(number):
    """A whole number in words, without plus and leading zeros."""
    sign = "-" * number.startswith("-")
    return cardinal(sign + (number.lstrip("+-0") or "0"))


def ordinal(number):
    """A whole number as first, second, third."""
    return _inflect().ordinal(cardinal(number))


def year(number):
    """A year of four digits in words; others as they are counted.

    Example
    -------
    >>> year("1984"), year("1905"), year("2003"), year("1900")
    ('nineteen eighty-four', 'nineteen oh five', 'two thousand three', \
'nineteen hundred')
    """
    if len(number) != 4 or number[1:3] == "00" or number[0] == "0":
        return cardinal(number)
    century, rest = number[:2], number[2:]
    if rest == "00":
        return f"{cardinal(century)} hundred"
    oh = "oh " if rest[0] == "0" else ""
    return f"{cardinal(century)} {oh}{cardinal(str(int(rest)))}"


def plural(noun, count="2"):
    """A noun as it follows a number; ``count`` is what was written."""
    if count == "1" or noun.split()[-1] in UNCOUNTED:
        return noun
    if noun.endswith("hertz"):
        return noun
    first, joint, rest = re.fullmatch(
        r"(.*?)(?:( per | of )(.*))?", noun
    ).groups(default="")
    if first.startswith("degree"):
        first = first.replace("degree", "degrees")
    else:
        first = _inflect().plural(first)
    return f"{first}{joint}{rest}"


def named(noun):
    """What to say for a match whose first group counts a noun."""

    def spoken(match):
        return f"{cardinal(match[1])} {plural(noun, match[1])}"

    return spoken


def plural_number(words):
    """Numbers as a group: eighties, twenty tens."""
    return _inflect().plural(words)


def fraction(top, bottom):
    """A fraction in words: three quarters, one third, nine over two."""
    proper = bottom.isdigit() and top.isdigit() and len(bottom) < 4
    if not proper or len(top) > LONGEST or int(bottom) < 2 or bottom[0] == "0":
        return f"{cardinal(top)} over {cardinal(bottom)}"
    if int(top) > int(bottom) > 16:  # as blood pressure is
        return f"{cardinal(top)} over {cardinal(bottom)}"
    if len(bottom) == 3 and bottom != "100":
        return f"{cardinal(top)} over {cardinal(bottom)}"
    name = FRACTIONS.get(bottom) or ordinal(bottom)
    if top == "1":
        return f"one {name}"
    names = "halves" if name == "half" else _inflect().plural(name)
    return f"{cardinal(top)} {names}"


def mixed(whole, top, bottom):
    """A whole number and a fraction: two and a half."""
    part = fraction(top, bottom)
    if bottom in FRACTIONS:
        part = part.replace("one ", "a ")
    return f"{cardinal(whole)} and {part}"


def roman_value(numeral):
    """The value of a Roman numeral in capitals, or None if it is none."""
    try:
        return roman.fromRoman(numeral)
    except roman.InvalidRomanNumeralError:
        return None
