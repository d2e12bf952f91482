"""English abbreviations, signs and names in words.

Tables only; keys are in lower case without their last dot, unless case
distinguishes them. The other modules of this folder define when they apply.
"""

import re

MONTHS = "january february march april may june july august september"
MONTHS = f"{MONTHS} october november december".split()
WEEKDAYS = "monday tuesday wednesday thursday friday"
WEEKDAYS = f"{WEEKDAYS} saturday sunday".split()

SHORT_MONTHS = {month[:3]: month.title() for month in MONTHS if month != "may"}
SHORT_MONTHS["sept"] = "September"
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
    **SHORT_MONTHS,
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
# The dot of these is never that of the sentence: words follow.
BEFORE_WORDS = {"approx", "cf", "e.g", "eg", "esp", "i.e", "ie", "incl"}
BEFORE_WORDS |= {"viz", "vs"}
# At the end of a sentence, these are names.
NAMES = {"Max"}
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
# Words that open a sentence: a dot before them ends one.
OPENERS = "A An And At But Give He Her His I In It My On Our See She So That"
OPENERS = f"{OPENERS} The Then There These They This Those We What When Where"
OPENERS = f"{OPENERS} Who".split()

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
REIGNED += " napoleon nicholas olaf otto paul peter philip pius ptolemy"
REIGNED += " ramesses richard robert rudolf sixtus stephen theodosius urban"
REIGNED += " victor wilhelm william xerxes"
REIGNED = set(REIGNED.split())

# Acronyms that could be pronounced, and are spelled.
SPELLED = "ABC ACL ACLU AFAIK AI AKA API APIS ATM BA BBC BC CD CEO CIA CIO COO"
SPELLED += " CSI DA DIY DOI DOJ EEG EKG EU EUR EV FAQ FIA GUI HIV IBM ICU ID"
SPELLED += " IDE IE IMO IOC IOU IP IPA IPO IQ IRC ISP IV IUCN MA MIT MRI NIH"
SPELLED += " NIMH NSA NYU OECD OS OTC POV POW PTA RNA ROI SKU SOS SUV UAE UAV"
SPELLED += " UCL UCLA UFO UHF UI UK UN URI URL URLS USA USAF USB USC USD USDA"
SPELLED += " USSR UX VIP VOA VPN IOS EPA ETA ESA EST GOP UV UPS VAT YMCA"
SPELLED = set(SPELLED.split())
# Those that are words, too, in a line in capitals.
SPELLED_UNLESS_SHOUTED = {"AD", "AM", "IT", "LA", "LED", "PA", "US", "ET"}
# Words without a vowel, or that look unpronounceable, and are not spelled.
UNSPELLED = "BRRR GRR HMM HMMM MMM NVIDIA PFFT PSST SHH SHHH TSK UGH CRY DRY"
UNSPELLED += " FLY FRY GYM MY BY SKY SLY SPY THY TRY WHY SHY PSYCHO LYNX MYTH"
UNSPELLED += " NYMPH MR MRS MS DR ST IKEA GMAIL"
UNSPELLED = set(UNSPELLED.split())


def any_of(words):
    """An alternation of words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
