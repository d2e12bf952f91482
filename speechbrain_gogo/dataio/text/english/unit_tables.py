"""English names of units and currencies. Tables only."""

# Bases of units, each with the prefixes it is used with. One letter stands
# for a unit only if it seldom stands for something else.
PREFIXES = {
    "T": "tera",
    "G": "giga",
    "M": "mega",
    "k": "kilo",
    "h": "hecto",
    "d": "deci",
    "c": "centi",
    "m": "milli",
    "u": "micro",
    "n": "nano",
    "p": "pico",
}
BASES = {
    "m": ("meter", "kcmundh"),
    "g": ("gram", "kmun"),
    "l": ("liter", "mcdu"),
    "L": ("liter", "mcdu"),
    "W": ("watt", "kMGTm"),
    "V": ("volt", "kmM"),
    "Wh": ("watt hour", "kMGTm"),
    "Ah": ("ampere hour", "m"),
    "Hz": ("hertz", "kMGT"),
    "Pa": ("pascal", "kMGh"),
    "eV": ("electronvolt", "kMGT"),
    "cal": ("calorie", "k"),
    "ohm": ("ohm", "mGu"),
    "bit": ("bit", "kMGT"),
    "mol": ("mole", "mun"),
    "bar": ("bar", "m"),
    "sec": ("second", ""),
}
PREFIXED = {  # whose base alone is no unit
    "B": ("byte", "kMGT"),
    "s": ("second", "mun"),
    "A": ("ampere", "mu"),
    "F": ("farad", "munp"),
    "N": ("newton", "k"),
    "J": ("joule", "kMG"),
    "t": ("tonne", "k"),
}
UNITS = {
    "%": "percent",
    "‰": "per mille",
    "°": "degree",
    "°C": "degree Celsius",
    "°F": "degree Fahrenheit",
    "KB": "kilobyte",
    "Kb": "kilobit",
    "Mb": "megabit",
    "Gb": "gigabit",
    "Tb": "terabit",
    **{
        f"{p}b": f"{n}byte"
        for p, n in zip("kmgt", ["kilo", "mega", "giga", "tera"])
    },
    "mpg": "mile per gallon",
    "pt": "pint",
    "qt": "quart",
    "Mbps": "megabit per second",
    "Gbps": "gigabit per second",
    "kbps": "kilobit per second",
    "fps": "frame per second",
    "bpm": "beat per minute",
    "dB": "decibel",
    "ft": "foot",
    "kohm": "kilohm",
    "Mohm": "megohm",
    "mcg": "microgram",
    "gal": "gallon",
    "ha": "hectare",
    "hr": "hour",
    "kph": "kilometer per hour",
    "kts": "knot",
    "lb": "pound",
    "mi": "mile",
    "min": "minute",
    "mph": "mile per hour",
    "oz": "ounce",
    "ppm": "part per million",
    "psi": "pound per square inch",
    "rpm": "revolution per minute",
    "tbsp": "tablespoon",
    "tsp": "teaspoon",
    "yd": "yard",
    "yr": "year",
    "wk": "week",
    "mos": "month",
    "mmHg": "millimeter of mercury",
    "atm": "atmosphere",
    "sq ft": "square foot",
    "sq m": "square meter",
    "sq mi": "square mile",
    "sq km": "square kilometer",
    "cu ft": "cubic foot",
    "s": "second",
    "h": "hour",
}
for _base, (_name, _prefixes) in {**BASES, **PREFIXED}.items():
    for _prefix in _prefixes:
        UNITS[_prefix + _base] = PREFIXES[_prefix] + _name
UNITS.update({base: name for base, (name, _) in BASES.items()})
for _unit in ["hr", "kg", "km", "lb", "min", "sec", "wk", "yd", "yr"]:
    UNITS[f"{_unit}s"] = UNITS[_unit]
# Below a fraction bar.
PER = {"h": "hour", "s": "second", "min": "minute", "hr": "hour"}
PER |= {"d": "day", "day": "day", "week": "week", "month": "month"}
PER |= {"mo": "month", "wk": "week", "night": "night", "head": "head"}
PER |= {"year": "year", "yr": "year", "hour": "hour", "person": "person"}

# Signs of currencies; further ones have their name in Unicode.
MONEY = {
    "$": ("dollar", "cent"),
    "£": ("pound", "penny"),
    "¥": ("yen", None),
    "€": ("euro", "cent"),
    "₹": ("rupee", "paisa"),
    "₽": ("ruble", "kopek"),
    "₩": ("won", None),
    "₺": ("lira", "kurus"),
    "₴": ("hryvnia", "kopiyka"),
    "₪": ("shekel", "agora"),
    "₫": ("dong", None),
    "₱": ("peso", "centavo"),
    "₦": ("naira", "kobo"),
    "₿": ("bitcoin", None),
    "฿": ("baht", "satang"),
}
CODES = {
    "AUD": ("Australian dollar", "cent"),
    "BRL": ("Brazilian real", "centavo"),
    "CAD": ("Canadian dollar", "cent"),
    "CHF": ("Swiss franc", "centime"),
    "CNY": ("yuan", "fen"),
    "DKK": ("Danish krone", "ore"),
    "EUR": MONEY["€"],
    "GBP": MONEY["£"],
    "HKD": ("Hong Kong dollar", "cent"),
    "INR": MONEY["₹"],
    "JPY": MONEY["¥"],
    "KRW": MONEY["₩"],
    "NOK": ("Norwegian krone", "ore"),
    "NZD": ("New Zealand dollar", "cent"),
    "PLN": ("Polish zloty", "grosz"),
    "RUB": MONEY["₽"],
    "SEK": ("Swedish krona", "ore"),
    "SGD": ("Singapore dollar", "cent"),
    "USD": ("US dollar", "cent"),
}
NATIONS = {
    "US": "US",
    "A": "Australian",
    "AU": "Australian",
    "C": "Canadian",
    "CA": "Canadian",
    "HK": "Hong Kong",
    "NZ": "New Zealand",
    "S": "Singapore",
    "R": "Brazilian",
}
PARTS = {"penny": "pence", "paisa": "paise"}  # several of them
MAGNITUDES = {
    "k": "thousand",
    "m": "million",
    "mm": "million",
    "mn": "million",
    "b": "billion",
    "bn": "billion",
    "t": "trillion",
    "tn": "trillion",
    **{name: name for name in ("lakh", "crore", "hundred", "thousand")},
    **{name: name for name in ("million", "billion", "trillion")},
}
