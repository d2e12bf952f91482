"""Units and quantities in English words."""

import re

from speechbrain_gogo.dataio.text.english.tables import any_of
from speechbrain_gogo.dataio.text.english.unit_tables import PER, UNITS
from speechbrain_gogo.dataio.text.english.words import (
    NUMBER,
    cardinal,
    exponent,
    fraction,
    mixed,
    named,
    plural,
)

# Units in lower case, for KM or Kg, without those that only case tells apart.
ANY_CASE = {}
for _symbol in UNITS:
    ANY_CASE.setdefault(_symbol.lower(), set()).add(UNITS[_symbol])
ANY_CASE = {
    symbol: names.pop()
    for symbol, names in ANY_CASE.items()
    if len(names) == 1 and len(symbol) > 1 and symbol not in ("kn", "kt")
}
SYMBOLS = any_of(UNITS)
# Units that stand for nothing else, and are also read without a number.
BARE_UNITS = "kg km cm kWh kW MW Hz kHz MHz GHz GB MB TB mph lbs Mbps"
POWERS = {"2": "square", "3": "cubic"}


def _unit(symbol):
    """The name of a unit, or None."""
    return UNITS.get(symbol) or ANY_CASE.get(symbol.lower())


def _unit_name(symbol, power, below, below_power):
    """The name of a unit with its powers, and of what it is divided by."""
    if (name := _unit(symbol)) is None:
        return None
    if power:
        name = f"{POWERS[power]} {name}"
    if not below:
        return name
    divisor = PER.get(below) or _unit(below)
    if divisor is None:
        return None
    if below_power:
        squared = {"2": "squared", "3": "cubed"}[below_power]
        if divisor == "second":
            return f"{name} per {divisor} {squared}"
        divisor = f"{POWERS[below_power]} {divisor}"
    return f"{name} per {divisor}"


def _quantity(match):
    number, space, symbol, *rest = match.groups()
    name = _unit_name(symbol, *rest)
    alone = len(symbol) == 1 and symbol.isalpha()
    if name is None or (alone and symbol not in UNITS):
        return match[0]
    if symbol in ("s", "h") and not space:
        return match[0]
    if space == "-":
        return f"{cardinal(number)}-{name}"
    return f"{cardinal(number)} {plural(name, number)}"


def _fraction_of_unit(match):
    """3/4 km and 1 1/2 km."""
    whole, top, bottom, symbol, *rest = match.groups()
    name = _unit_name(symbol, *rest)
    if name is None:
        return match[0]
    if whole:
        return f"{mixed(whole, top, bottom)} {plural(name)}"
    article = "an" if name[0] in "aeio" or name.startswith("hour") else "a"
    if int(top) < int(bottom):
        return f"{fraction(top, bottom)} of {article} {name}"
    return f"{fraction(top, bottom)} {plural(name)}"


def _scientific(match):
    """1.5e-3 and 3×10^8."""
    words = exponent(match[2] or match[3])
    return f"{cardinal(match[1])} times ten to the power of {words}"


def _scientific_quantity(match):
    name = _unit_name(*match.groups()[3:])
    return f"{_scientific(match)} {plural(name)}" if name else match[0]


def _power_quantity(match):
    """10^3 m."""
    name = _unit_name(*match.groups()[3:])
    number = f"{cardinal(match[1])} to the power of {exponent(match[2])}"
    return f"{number} {plural(name)}" if name else match[0]


def _price_per(match):
    """Dollars/kg, of which the dollars are said already."""
    name = _unit(match[2])
    return f"{match[1]} per {name}" if name else match[0]


def _bare_unit(match):
    """A unit without a number that is squared or divided: km^2, km/h."""
    name = _unit_name(*match.groups())
    if name is None or match[1] not in UNITS or not set("^/") & set(match[0]):
        return match[0]
    return plural(name) if match[3] else name


def _plain_unit(match):
    """One without a number of figures: several, but for an article."""
    before = match.string[max(0, match.start() - 7) : match.start()]
    name = UNITS[match[1]]
    if re.search(r"\b(?:a|an|the|per|one|each|every)\s$", before, re.I):
        return name
    return plural(name)


def _feet_and_inches(match):
    feet, inches, *part = match.groups()
    spoken = f"{cardinal(feet)} {plural('foot', feet)}"
    number = mixed(inches, *part) if part[0] else cardinal(inches)
    return f"{spoken} {number} {plural('inch', inches if not part[0] else '2')}"


def _inches(match):
    """12" is a length, unless the mark closes a quotation."""
    if match.string[: match.start()].count('"') % 2:
        return match[0]
    return f"{cardinal(match[1])} {plural('inch', match[1])}"


def _feet(match):
    """9' is a length, unless the mark closes a quotation."""
    before = match.string[max(0, match.start() - 200) : match.start() + 1]
    opened = len(re.findall(r"(?<!\w)'(?=\w)", before))
    closed = len(re.findall(r"(?<=[a-z.,!?])'(?!\w)", before))
    if opened > closed:
        return match[0]
    return f"{cardinal(match[1])} {plural('foot', match[1])}"


def _angle(match):
    degrees, minutes, seconds = match.groups()
    spoken = [f"{cardinal(degrees)} {plural('degree', degrees)}"]
    spoken.append(f"{cardinal(minutes)} {plural('minute', minutes)}")
    if seconds:
        spoken.append(f"{cardinal(seconds)} {plural('second', seconds)}")
    return " ".join(spoken)


UNIT = rf"({SYMBOLS})(?:\^?([23])(?!\d))?(?:/(\w+?)(?:\^?([23]))?)?(?![\w/^])"
UNIT_END = r"(?:\.(?=\s+(?-i:[a-z])))?"
EXPONENT = r"(?:\s?[x×*⋅·]\s?10\s?\^\s?([+-]?\d+)|e([+-]?\d+)\b)"
SCIENTIFIC_RULES = [
    (r"(?<=\d)\s?(?:˚|\bdeg\.?|°)\s?(?=(?-i:[CF])\b)", "°"),
    (rf"({NUMBER})\^([+-]?\d+)()\s?{UNIT}", _power_quantity),
    (rf"({NUMBER}){EXPONENT}\s?{UNIT}", _scientific_quantity),
    (rf"({NUMBER}){EXPONENT}", _scientific),
]
RULES = [
    (r"\bl/100\s?km\b", "liters per hundred kilometers"),
    (
        r"(?<![\w.,^])(\d+)\s?ft\.?\s?(\d+(?:\.\d+)?)(?:\s(\d)/(\d+))?"
        r"\s?in\b\.?",
        _feet_and_inches,
    ),
    # Lengths and angles with primes
    (r"(?<!\d)(\d++)°\s?(\d+)['′](?:\s?(\d+(?:\.\d+)?)[\"″])?", _angle),
    (
        r"(?<![\w.,])(\d+)\s?['′][\s-]?(\d+(?:\.\d+)?)(?:\s(\d)/(\d+))?"
        r"\s?(?:[\"″]|'')",
        _feet_and_inches,
    ),
    (r"(?<![\w.,])(\d)'(\d|1[01])()()(?=[\s,.;]|$)", _feet_and_inches),
    (rf"({NUMBER})\s?′", named("foot")),
    (rf"({NUMBER})\s?″", named("inch")),
    (rf"({NUMBER})\"", _inches),
    (rf"({NUMBER})'(?=[\s.,;!?]|$)", _feet),
    (
        rf"({NUMBER})[\s-]?in(?:\.(?=\s+(?-i:[a-z]))|(?=\s*[;,)]|\.?$"
        r"|\s+(?:x|by|wide|long|tall|high|deep|thick|across)\b))",
        named("inch"),
    ),
    # Units
    (
        rf"(?<![\w/.,])(?:(\d+)\s)?(\d{{1,15}})/(\d{{1,15}})[\s-]?{UNIT}{UNIT_END}",
        _fraction_of_unit,
    ),
    (
        r"\b(dollars?|cents|euros?|pounds?|pence|yen|rupees|francs)\s?/\s?"
        rf"({SYMBOLS})(?![\w/])",
        _price_per,
    ),
    (rf"({NUMBER})(\s?|-){UNIT}{UNIT_END}", _quantity),
    (rf"(?<![\w.]){UNIT}", _bare_unit),
    (
        rf"(?<![\w'-])(?-i:({any_of(BARE_UNITS.split())}))(?![\w'-])",
        _plain_unit,
    ),
    (r"°\s?(?-i:C)(?!\w)", " degrees Celsius"),
    (r"°\s?(?-i:F)(?!\w)", " degrees Fahrenheit"),
    (
        rf"(?<=[\w.])\s?/\s?({any_of(PER)})\b",
        lambda m: f" per {PER[m[1].lower()]}",
    ),
]
