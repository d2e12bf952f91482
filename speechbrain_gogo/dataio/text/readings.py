"""Readings of English words that a pronunciation dictionary lacks.

A word is read as a known word with a clitic or an ending, as two known words, letter by
letter if it has no vowel, or else by a table of letters. Readings are lists of
CMUdict's phones, whose stresses are 1 or none.
"""

import re

VOWEL_LETTERS = re.compile("[aeiouy]")
SIBILANTS = {"S", "Z", "SH", "ZH", "CH", "JH"}
VOICELESS = {"P", "T", "K", "F", "TH", "S", "SH", "CH"}
# Letters of each part of a compound, and of a word before an ending.
SHORTEST_PART = 3
DOUBLED_END = re.compile(r"([bdfgklmnprstvz])\1$")
DOUBLED = re.compile(r"([bcdfghklmnprstvz])\1")
# A vowel and one consonant: without a silent e the consonant would be doubled.
OPEN_END = re.compile(r"[aeiou][bcdfgklmnprstvz]$")

# Letters and their readings; longer ones come first.
LETTERS = {
    "tion": "SH AH N",
    "sion": "ZH AH N",
    "ture": "CH ER",
    "eigh": "EY1",
    "igh": "AY1",
    "tch": "CH",
    "dge": "JH",
    "sch": "S K",
    "ch": "CH",
    "sh": "SH",
    "th": "TH",
    "ph": "F",
    "wh": "W",
    "ck": "K",
    "qu": "K W",
    "ng": "NG",
    "gh": "G",
    "kn": "N",
    "wr": "R",
    "oo": "UW1",
    "ee": "IY1",
    "ea": "IY1",
    "ou": "AW1",
    "ow": "OW1",
    "oi": "OY1",
    "oy": "OY1",
    "ai": "EY1",
    "ay": "EY1",
    "au": "AO1",
    "aw": "AO1",
    "oa": "OW1",
    "er": "ER",
    "ir": "ER1",
    "ur": "ER1",
    "ar": "AA1 R",
    "or": "AO1 R",
    "a": "AE1",
    "c": "K",
    "e": "EH1",
    "h": "HH",
    "i": "IH1",
    "j": "JH",
    "o": "AA1",
    "q": "K",
    "u": "AH1",
    "x": "K S",
    "y": "IY",
    **{letter: letter.upper() for letter in "bdfgklmnprstvwz"},
}
SPELLING = re.compile("|".join(sorted(LETTERS, key=len, reverse=True)))


def derive(word, look_up):
    """The reading of a word in lower case; empty for apostrophes alone.

    ``look_up`` gives the dictionary's reading of a word, or None. Raises a
    ValueError if the word has other characters than a to z that no known word
    explains.

    Example
    -------
    >>> known = {"sun": ["S", "AH1", "N"], "day": ["D", "EY1"]}
    >>> " ".join(derive("sundays", known.get))
    'S AH1 N D EY1 Z'
    """
    written, word = word, word.strip("'")
    if not word:
        return []
    rules = (
        lambda: look_up(written),  # such as 'em
        lambda: look_up(word),
        lambda: _with_clitic(word, look_up),
        lambda: _with_ending(word, look_up),
        lambda: _compound(word, look_up),
        lambda: _with_ending(word, lambda base: _compound(base, look_up)),
    )
    for rule in rules:
        if (found := rule()) is not None:
            return found
    plain = word.replace("'", "")
    if plain != word:
        return derive(plain, look_up)
    return _by_letters(word, look_up)


def _plural(reading):
    if reading[-1] in SIBILANTS:
        return [*reading, "IH", "Z"]
    return [*reading, "S" if reading[-1] in VOICELESS else "Z"]


def _past(reading):
    if reading[-1] in {"T", "D"}:
        return [*reading, "IH", "D"]
    return [*reading, "T" if reading[-1] in VOICELESS else "D"]


def _then(*phones):
    return lambda reading: [*reading, *phones]


def _adverb(reading):
    stem = reading[:-1] if reading[-1] == "L" else reading
    return [*stem, "L", "IY"]


CLITICS = {
    "n't": _then("AH", "N", "T"),
    "'ll": _then("AH", "L"),
    "'ve": _then("AH", "V"),
    "'re": _then("ER"),
    "'m": _then("M"),
    "'d": _past,
    "'s": _plural,
}
ENDINGS = {
    "ness": _then("N", "AH", "S"),
    "less": _then("L", "AH", "S"),
    "ment": _then("M", "AH", "N", "T"),
    "ally": _adverb,  # after "ic"
    "ful": _then("F", "AH", "L"),
    "ing": _then("IH", "NG"),
    "ies": _plural,
    "ied": _past,
    "ly": _adverb,
    "es": _plural,
    "ed": _past,
    "er": _then("ER"),
    "s": _plural,
}


def _with_clitic(word, look_up):
    """The reading of "john'll", or None."""
    for clitic, read in CLITICS.items():
        if word.endswith(clitic) and len(word) > len(clitic):
            return read(derive(word.removesuffix(clitic), look_up))
    return None


def _with_ending(word, look_up):
    """The reading of a known word with an ending, or None."""
    for ending, read in ENDINGS.items():
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < SHORTEST_PART:
            continue
        for base in _bases(stem, ending):
            if (found := look_up(base)) is not None:
                return read(found)
    return None


def _bases(stem, ending):
    """Spellings of the word before an ending, the most likely first."""
    if ending in {"ies", "ied"}:
        return [f"{stem}y"]
    if ending == "es":
        return [stem] if stem.endswith(("s", "x", "z", "ch", "sh")) else []
    if ending == "s":
        return [] if stem.endswith("s") else [stem]
    if ending == "ally":
        return [stem] if stem.endswith("ic") else []
    if ending in {"ed", "ing", "er"}:
        found = [stem, f"{stem}e", DOUBLED_END.sub(r"\1", stem)]
        return [
            found[i]
            for i in ((1, 0, 2) if OPEN_END.search(stem) else (0, 1, 2))
        ]
    return [stem, re.sub("i$", "y", stem)]


def _compound(word, look_up):
    """The reading of two known words, of lengths as equal as possible, or None."""
    ends = range(SHORTEST_PART, len(word) - SHORTEST_PART + 1)
    for end in sorted(ends, key=lambda end: abs(2 * end - len(word))):
        parts = look_up(word[:end]), look_up(word[end:])
        if None not in parts:
            return sum(parts, [])
    return None


def _by_letters(word, look_up):
    """The reading of any word of letters from a to z."""
    if unread := re.sub("[a-z]", "", word):
        raise ValueError(
            f"'{word}' has characters without a reading, {unread!r}: let the front "
            "end of the language spell them out."
        )
    if not VOWEL_LETTERS.search(word):
        names = [look_up(letter) or LETTERS[letter].split() for letter in word]
        return sum(names, [])
    word = DOUBLED.sub(r"\1", word)
    word = re.sub("^x", "z", re.sub("c(?=[eiy])", "s", word))
    if re.search("[aeiouy].*[^e]e$", word):
        word = word[:-1]  # a silent e
    return " ".join(LETTERS[each] for each in SPELLING.findall(word)).split()
