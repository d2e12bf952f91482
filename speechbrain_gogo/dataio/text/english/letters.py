"""Words, acronyms and Roman numerals in capitals, spelled or not."""

import re

from speechbrain_gogo.dataio.text.english.tables import (
    NUMBERED,
    OPENERS,
    REIGNED,
    SPELLED,
    SPELLED_UNLESS_SHOUTED,
    UNSPELLED,
)
from speechbrain_gogo.dataio.text.english.words import (
    cardinal,
    ordinal,
    roman_value,
    year,
)

ONSETS = "bl br ch chl chr cl cr dr dw fl fr gh gl gn gr kl kn kr ph phr pl"
ONSETS += " pr ps qu rh sc sch scr sh shr sk sl sm sn sp sph spl spr squ st str"
ONSETS += " sv sw th thr thw tr tw wh wr"
CODAS = "b c d f g h k l m n p r s t w x z bs ck cks cs ct cts ch ds dth dths"
CODAS += " ff ffs ft fts gh ghs ght ghts gs ks lb lbs ld lds lf lk lks ll lls"
CODAS += " lm lms lp lps lt lts lth mb mbs mn mp mps mpt ms nch nd nds ng ngs"
CODAS += " ngth nk nks nn ns nt nts nth nths pp ps pt pts ph rb rbs rc rch rd"
CODAS += " rds rf rg rk rks rl rld rls rm rms rn rns rp rps rr rs rsh rst rt"
CODAS += " rts rth sc sh sk sks sm sms sp sps ss st sts tch th ths ts tt tts tz"
CODAS += " v ws wl wn wns wd wk xt xth gn gns hn hns lc lch lve rve sch"
SHORT_WORDS = "am an as at be by do go he hi if in is it me my no of on or so"
SHORT_WORDS = set(f"{SHORT_WORDS} to up us we ok oh ah ex".split())
ONSETS, CODAS = set(ONSETS.split()), set(CODAS.split())
VOWELS = "aeiouy"
# After which an I is a numeral rather than a pronoun.
ENDS = r"\s*(?:[.,;:!?)\"\]-]|$)|\s+(?:of|and|to|ruled|reigned|began|ended)\b"
# Short numerals that more often stand for something else.
AMBIGUOUS = {"IV", "VI", "XI", "IX", "XV", "XX", "XXX"}


def is_pronounceable(letters):
    """Whether letters begin and end as English words do.

    Example
    -------
    >>> [w for w in ("NASA", "FBI", "HTML", "STOP") if is_pronounceable(w)]
    ['NASA', 'STOP']
    """
    letters = letters.lower()
    inner = re.search(f"[{VOWELS}].*[{VOWELS}]|[{VOWELS}]", letters)
    if not inner:
        return False
    onset, coda = letters[: inner.start()], letters[inner.end() :]
    if letters[0] == "y" and len(letters) > 1 and letters[1] not in VOWELS:
        return False
    clusters = re.findall(f"[^{VOWELS}]+", inner[0])
    return (
        (len(onset) < 2 or onset in ONSETS)
        and (not coda or coda in CODAS)
        and all(len(cluster) < 5 for cluster in clusters)
    )


def spell(letters):
    """FBI as F B I."""
    return " ".join(letters.upper())


def spell_or_say(word):
    """A part of an address: spelled if it cannot be pronounced."""
    if len(word) < 3:
        return word if word.lower() in SHORT_WORDS else spell(word)
    if word.upper() in UNSPELLED:
        return word
    if word.upper() in SPELLED or not is_pronounceable(word):
        return spell(word)
    return word


def is_shouted(text):
    """Whether a text is entirely in capitals, which then have no meaning."""
    return text.isupper() and len(re.findall("[A-Z]{2,}", text)) > 3


def _is_spelled(word, shouted, beside_digit):
    if word in UNSPELLED:
        return False
    if word in SPELLED or (beside_digit and len(word) < 4):
        return True
    if word in SPELLED_UNLESS_SHOUTED:
        return not shouted
    if len(word) == 2:
        return word.lower() not in SHORT_WORDS
    return not is_pronounceable(word)


def _acronym(match):
    """CDs as C Ds, STOP as it is."""
    word, ending = match[1], match[2] or ""
    around = match.string[: match.start()][-12:], match.string[match.end() :]
    before = re.search(r"\b[A-Z]{2,}\W{1,2}$", around[0])
    after = re.match(r"\W{1,2}[A-Z]{2,}\b", around[1])
    shouted = bool(before or after) or is_shouted(match.string)
    beside_digit = bool(
        re.search(r"\d$", around[0]) or re.match(r"\d", around[1])
    )
    if not _is_spelled(word, shouted, beside_digit):
        return match[0]
    return spell(word) + ending


def _joined_acronym(match):
    """AT&T and R&D."""
    return " and ".join(spell(part) for part in match[0].split("&"))


def _numeral(match):
    """A Roman numeral as the word before it asks for."""
    before, numeral = match[1] or "", match[2]
    value = roman_value(numeral)
    spoken = _spoken_numeral(before, numeral, value, match) if value else None
    if spoken is None:
        return match[0]
    return f"{before}{' ' if before else ''}{spoken}"


def _spoken_numeral(before, numeral, value, match):
    following = match.string[match.end() :]
    word, count = before.lower(), cardinal(str(value))
    named = word in NUMBERED
    ended = bool(re.match(ENDS, following))
    if len(numeral) == 1:
        if numeral not in "IVX" or (numeral == "I" and not ended):
            return count if numeral == "I" and word == "war" else None
        if named:
            return count
        return f"the {ordinal(str(value))}" if word in REIGNED else None
    if re.match(r"(?:th)?\s+(?:century|centuries|dynasty)", following):
        return ordinal(str(value))
    if named:
        return count
    if word in REIGNED:
        return f"the {ordinal(str(value))}"
    if not set(numeral) <= set("IVX"):
        is_year = len(numeral) > 4 and 1000 <= value <= 2100
        return year(str(value)) if is_year else None
    first = not re.search(r"[\w,;]\s*$", match.string[: match.start()])
    a_name = before[:1].isupper() and before not in OPENERS and not first
    if numeral in AMBIGUOUS and not (a_name and not before.isupper()):
        return None
    return ordinal(str(value)) if word == "the" else count


RULES = [
    (
        r"(?-i:\b(?:([A-Za-z]+)\s+)?\b([IVXLCDM]+)\b)(?![&-]?\w)(?!\.[a-z])(?!'[^s])",
        _numeral,
    ),
    (r"(?-i:\b[A-Z]{1,3}(?:&[A-Z]{1,3})+\b)", _joined_acronym),
    (r"(?-i:(?<![a-zA-Z'])([A-Z]{2,})('?s\b)?(?![a-zA-Z]))", _acronym),
]
