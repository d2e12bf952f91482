"""What abbreviations, units and signs stand for in English, in words.

Tables only, keys in lower case and without the last dot; text.py says when
they apply.
"""

MONTHS = "January February March April May June July August September"
MONTHS = f"{MONTHS} October November December".split()

# A title's dot never ends a sentence.
TITLES = {
    "capt": "captain",
    "col": "colonel",
    "dr": "doctor",
    "gen": "general",
    "gov": "governor",
    "hon": "honorable",
    "lt": "lieutenant",
    "mr": "mister",
    "mrs": "missus",
    "ms": "miss",
    "mt": "mount",
    "prof": "professor",
    "rev": "reverend",
    "sen": "senator",
    "sgt": "sergeant",
    **{month[:3].lower(): month for month in MONTHS if month != "May"},
    "sept": "September",
}
# The dot of these may be that of the sentence, too.
SHORT_FORMS = {
    "approx": "approximately",
    "ave": "avenue",
    "blvd": "boulevard",
    "co": "company",
    "corp": "corporation",
    "dept": "department",
    "e.g": "for example",
    "esq": "esquire",
    "etc": "et cetera",
    "ft": "fort",
    "i.e": "that is",
    "inc": "incorporated",
    "jr": "junior",
    "ltd": "limited",
    "rd": "road",
    "sr": "senior",
    "vs": "versus",
}
BEFORE_NUMBERS = {
    "ch": "chapter",
    "fig": "figure",
    "no": "number",
    "nos": "numbers",
    "p": "page",
    "pp": "pages",
    "sec": "section",
    "vol": "volume",
}
UNITS = {
    "%": "percent",
    "cm": "centimeter",
    "ft": "foot",
    "g": "gram",
    "gb": "gigabyte",
    "ghz": "gigahertz",
    "hz": "hertz",
    "kb": "kilobyte",
    "kg": "kilogram",
    "khz": "kilohertz",
    "km": "kilometer",
    "km/h": "kilometer per hour",
    "lb": "pound",
    "lbs": "pound",
    "m": "meter",
    "mb": "megabyte",
    "mg": "milligram",
    "mhz": "megahertz",
    "min": "minute",
    "ml": "milliliter",
    "mm": "millimeter",
    "mph": "mile per hour",
    "ms": "millisecond",
    "oz": "ounce",
    "tb": "terabyte",
    "°": "degree",
    "°c": "degree Celsius",
    "°f": "degree Fahrenheit",
}
# Of one letter, which may stand for something else: as they are written.
SMALL_UNITS = "g", "m"
# What opens a sentence, so the dot before it has ended one.
OPENERS = "A An And At But He Her His I In It My On Our She So That The Then"
OPENERS = (
    f"{OPENERS} There These They This Those We What When Where Who".split()
)
UNCOUNTED = ("percent", "hertz", "kilohertz", "megahertz", "gigahertz", "yen")
MONEY = {
    "$": ("dollar", "cent"),
    "£": ("pound", "penny"),
    "¥": ("yen", "sen"),
    "€": ("euro", "cent"),
}
MAGNITUDES = {
    "k": "thousand",
    "m": "million",
    "bn": "billion",
    "thousand": "thousand",
    "million": "million",
    "billion": "billion",
    "trillion": "trillion",
}
SYMBOLS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent"}
