"""What English abbreviations, signs and names stand for, in words.

Tables only; keys are in lower case and without their last dot unless case
tells them apart. The modules beside this one say when they apply.
"""

import re

MONTHS = "january february march april may june july august september"
MONTHS = f"{MONTHS} october november december".split()
WEEKDAYS = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
]

# A title's dot never ends a sentence.
TITLES = {
    "a.k.a": "also known as",
    "adm": "admiral",
    "capt": "captain",
    "cmdr": "commander",
    "col": "colonel",
    "cpl": "corporal",
    "dr": "doctor",
    "fr": "father",
    "ft": "fort",
    "gen": "general",
    "gov": "governor",
    "hon": "honorable",
    "lt": "lieutenant",
    "maj": "major",
    "messrs": "messieurs",
    "mr": "mister",
    "mrs": "missus",
    "ms": "miss",
    "mt": "mount",
    "pres": "president",
    "prof": "professor",
    "rep": "representative",
    "rev": "reverend",
    "sen": "senator",
    "sgt": "sergeant",
    **{month[:3]: month.title() for month in MONTHS if month != "may"},
    "sept": "September",
}
# British English writes these without a dot.
BARE_TITLES = {"Dr", "Mr", "MR", "Mrs", "MRS", "Ms", "Prof"}
# The dot of these may be that of the sentence, too.
SHORT_FORMS = {
    "approx": "approximately",
    "avg": "average",
    "assn": "association",
    "ave": "avenue",
    "blvd": "boulevard",
    "bros": "brothers",
    "cf": "compare",
    "co": "company",
    "corp": "corporation",
    "dept": "department",
    "e.g": "for example",
    "eg": "for example",
    "esp": "especially",
    "esq": "esquire",
    "est": "established",
    "et al": "and others",
    "etc": "et cetera",
    "ext": "extension",
    "govt": "government",
    "hwy": "highway",
    "i.e": "that is",
    "ie": "that is",
    "inc": "incorporated",
    "incl": "including",
    "jr": "junior",
    "ltd": "limited",
    "max": "maximum",
    "misc": "miscellaneous",
    "rd": "road",
    "sr": "senior",
    "tel": "telephone",
    "univ": "university",
    "viz": "namely",
    "vs": "versus",
}
BEFORE_NUMBERS = {
    "art": "article",
    "ch": "chapter",
    "chap": "chapter",
    "eq": "equation",
    "fig": "figure",
    "figs": "figures",
    "no": "number",
    "nos": "numbers",
    "p": "page",
    "pg": "page",
    "pp": "pages",
    "sec": "section",
    "vol": "volume",
}
# What opens a sentence, so the dot before it has ended one.
OPENERS = "A An And At But Give He Her His I In It My On Our See She So That"
OPENERS = f"{OPENERS} The Then There These They This Those We What When Where"
OPENERS = f"{OPENERS} Who".split()

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
    "hrs": "hour",
    "kph": "kilometer per hour",
    "kts": "knot",
    "lb": "pound",
    "lbs": "pound",
    "mi": "mile",
    "min": "minute",
    "mins": "minute",
    "mph": "mile per hour",
    "oz": "ounce",
    "ppm": "part per million",
    "psi": "pound per square inch",
    "rpm": "revolution per minute",
    "secs": "second",
    "tbsp": "tablespoon",
    "tsp": "teaspoon",
    "yd": "yard",
    "yds": "yard",
    "yr": "year",
    "yrs": "year",
    "kgs": "kilogram",
    "kms": "kilometer",
    "wk": "week",
    "wks": "week",
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
    "lakh": "lakh",
    "crore": "crore",
    "hundred": "hundred",
    "thousand": "thousand",
    "million": "million",
    "billion": "billion",
    "trillion": "trillion",
}
SYMBOLS = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "<": "less than",
    ">": "greater than",
    "≤": "less than or equal to",
    "≥": "greater than or equal to",
    "⩽": "less than or equal to",
    "⩾": "greater than or equal to",
    "≠": "not equal to",
    "≈": "approximately",
    "≡": "is identical to",
    "±": "plus or minus",
    "∓": "minus or plus",
    "×": "times",
    "⋅": "times",
    "·": " ",
    "÷": "divided by",
    "∕": "over",
    "√": "square root of",
    "∞": "infinity",
    "∑": "sum of",
    "∏": "product of",
    "∫": "integral of",
    "∂": "partial",
    "∆": "delta",
    "∇": "nabla",
    "∈": "in",
    "∝": "proportional to",
    "∼": "about",
    "→": "to",
    "⇒": "implies",
    "−": "minus",
    "@": "at",
    "%": "percent",
    "$": "dollars",
    "‰": "per mille",
    "°": "degrees",
    "©": "copyright",
    "®": "registered",
    "§": "section",
    "¶": "paragraph",
    "℅": "care of",
    "℮": "estimated",
    "^": "to the power of",
    "¢": "cents",
}

# Before Roman numerals.
NUMBERED = "act apollo appendix article book bowl canto case chapter class"
NUMBERED += " episode exhibit figure grade group level mark page part phase"
NUMBERED += " scene schedule season section stage symphony table title type"
NUMBERED += " unit verse volume war"
NUMBERED = set(NUMBERED.split())
REIGNED = "alexander alfonso benedict catherine charles christian clement"
REIGNED += " constantine darius edward elizabeth ferdinand francis frederick"
REIGNED += " george gregory gustav haakon harald henry innocent ivan james john"
REIGNED += " joseph julius justinian leo leopold louis ludwig mary maximilian"
REIGNED += (
    " napoleon nicholas olaf otto paul peter philip pius ptolemy ramesses"
)
REIGNED += " richard robert rudolf sixtus stephen theodosius urban victor"
REIGNED += " wilhelm william xerxes"
REIGNED = set(REIGNED.split())

# Acronyms that could be pronounced, and are spelled.
SPELLED = "ABC ACL ACLU AFAIK AI AIM AKA API APIS ATM BA BBC BC CD CEO CIA CIO"
SPELLED += (
    " COO CSI DA DIY DOI DOJ EEG EKG EU EUR EV FAQ FIA GUI HIV IBM ICU ID IDE"
)
SPELLED += (
    " IE IMO IOC IOU IP IPA IPO IQ IRC ISP IV IUCN MA MIA MIT MRI NIH NIMH"
)
SPELLED += (
    " NSA NYU OECD OS OTC POV POW PTA RIP RNA ROI SKU SOS SUV TED UAE UAV UCL"
)
SPELLED += " UCLA UFO UHF UI UK UN URI URL URLS USA USAF USB USC USD USDA USSR"
SPELLED += " UX VIP VOA VPN IOS EPA ETA ESA EST GOP IRA UV UPS VAT YMCA"
SPELLED = set(SPELLED.split()) - {"TED", "MIA", "IRA", "RIP", "AIM"}
# Those that are words, too, in a line in capitals.
SPELLED_UNLESS_SHOUTED = {"AD", "AM", "IT", "LA", "LED", "PA", "US", "ET"}
# What has no vowel, or looks as if it could not be said, and is not spelled.
UNSPELLED = (
    "BRRR GRR HMM HMMM MMM NVIDIA PFFT PSST SHH SHHH TSK UGH CRY DRY FLY"
)
UNSPELLED += " FRY GYM MY BY SKY SLY SPY THY TRY WHY SHY PSYCHO LYNX MYTH NYMPH"
UNSPELLED += " MR MRS MS DR ST IKEA GMAIL"
UNSPELLED = set(UNSPELLED.split())


def any_of(words):
    """An alternation of words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
