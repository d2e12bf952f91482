"""Text as ids of phones, by a pronunciation dictionary.

A tokenizer for small models: from a few hours of speech they do not learn how
English is spelled. It has the interface of tokenizers.py. Words that the dictionary
lacks are split into words that it has, or else read by rules.
"""

import re
import zlib
from pathlib import Path

from speechbrain_gogo.dataio.text.normalization import normalize_speech

MARKS = " ", ",", ".", "?", "!"  # the first is a border between words
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
# Of CMUdict's stresses, 0 is apart from 1 and 2: AH0 is a reduced vowel.
STRESSED = [f"{vowel}1" for vowel in VOWELS.split()]
SYMBOLS = [*MARKS, *CONSONANTS.split(), *VOWELS.split(), *STRESSED]
IDS = {symbol: i for i, symbol in enumerate(SYMBOLS)}
FIRST = ord("!")  # the character of id 0 in a saved dictionary

# Readings of letters, the longest first; an e at the end of a word is silent.
RULES = {
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
    "b": "B",
    "c": "K",
    "d": "D",
    "e": "EH1",
    "f": "F",
    "g": "G",
    "h": "HH",
    "i": "IH1",
    "j": "JH",
    "k": "K",
    "l": "L",
    "m": "M",
    "n": "N",
    "o": "AA1",
    "p": "P",
    "q": "K",
    "r": "R",
    "s": "S",
    "t": "T",
    "u": "AH1",
    "v": "V",
    "w": "W",
    "x": "K S",
    "y": "IY",
    "z": "Z",
}
LETTERS = re.compile("|".join(sorted(RULES, key=len, reverse=True)))
DOUBLED = re.compile(r"([bdfgklmnprstz])\1")
# An "a" beside another letter is that letter ("u s a"), not the article.
SPELLED_A = re.compile(r"\ba(?= [a-z]\b(?!'))|(?<=\b[b-hj-z] )a\b(?!')")
LETTER_A = "ay"
SHORTEST_PART = 3  # letters of each part of a compound word


class Phones:
    r"""Ids of the phones of English text, with word borders and marks of pauses.

    Arguments
    ---------
    path : str | Path
        A pronunciation dictionary: CMUdict (``cmudict.dict``), or what
        :meth:`save` wrote.

    Raises
    ------
    ValueError
        If it is neither.

    Example
    -------
    >>> path = getfixture("tmp_path") / "cmudict.dict"
    >>> _ = path.write_text("day D EY1\nsun S AH1 N\nsun(2) S UH1 N\n")
    >>> phones = Phones(path)
    >>> phones.spell("Sun, Sunday?")
    '_ S AH1 N , _ S AH1 N D EY1 ?'
    >>> Phones(phones.save(path.parent / "model") / Phones.FILE).vocab_size
    59
    """

    FILE = "phones.txt"
    vocab_size = len(SYMBOLS)

    def __init__(self, path):
        content = Path(path).read_bytes()
        if not content.startswith(b"\n"):
            content = _compact(content.decode("utf-8", "replace"), path)
        # Searched as a whole: parsing would take longer than a sentence.
        self.content = content
        self.known = {}

    @property
    def fingerprint(self):
        """Equal for equal ids of all texts, a str."""
        rules = repr((SYMBOLS, RULES)).encode()
        return f"{zlib.crc32(self.content + rules):08x}"

    def encode(self, text):
        """Text to ids, a list of int; a border is before each word.

        A ValueError names letters that have no reading.
        """
        ids = []
        text = SPELLED_A.sub(LETTER_A, normalize_speech(text))
        for part in text.split():
            mark = IDS.get(part)
            ids += [IDS[" "], *self.pronounce(part)] if mark is None else [mark]
        return ids

    def encode_batch(self, texts):
        """A list of texts to a list of lists of ids."""
        return [self.encode(text) for text in texts]

    def spell(self, text):
        """The names of a text's ids, "_" for a border."""
        names = (SYMBOLS[i] for i in self.encode(text))
        return " ".join("_" if name == " " else name for name in names)

    def pronounce(self, word):
        """Ids of a word in lower case."""
        if word not in self.known:
            found = self._look_up(word)
            self.known[word] = self._derive(word) if found is None else found
        return self.known[word]

    def unknown(self, text):
        """Letters of a text that have no reading, a set of str."""
        words = normalize_speech(text).split()
        return {
            letter
            for word in words
            if word not in IDS and self._look_up(word) is None
            for letter in LETTERS.sub("", word.replace("'", ""))
        }

    def save(self, folder):
        """Write ``phones.txt`` into a folder; gives the folder's path."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.FILE).write_bytes(self.content)
        return folder

    def _look_up(self, word):
        """Ids of a word of the dictionary, None of another one."""
        key = f"\n{word}\t".encode()
        start = self.content.find(key)
        if start < 0:
            return None
        start += len(key)
        end = self.content.index(b"\n", start)
        return [code - FIRST for code in self.content[start:end]]

    def _derive(self, word):
        """Ids of a word that the dictionary lacks."""
        if word.endswith("'s") and (base := self.pronounce(word[:-2])):
            return base + _plural(base)
        word = word.replace("'", "")
        for ending, read in ENDINGS.items():
            stem = word.removesuffix(ending)
            if stem == word or len(stem) < SHORTEST_PART:
                continue
            for base in (stem, stem + "e", DOUBLED.sub(r"\1", stem)):
                if (found := self._look_up(base)) is not None:
                    return found + read(found)
        for end in range(len(word) - SHORTEST_PART, SHORTEST_PART - 1, -1):
            parts = self._look_up(word[:end]), self._look_up(word[end:])
            if None not in parts:
                return sum(parts, [])
        if unread := LETTERS.sub("", word):
            raise ValueError(
                f"'{word}' has characters without a reading, {unread!r}: let the "
                "front end of the language spell them out."
            )
        word = DOUBLED.sub(r"\1", word)
        if len(word) > 2 and word.endswith("e"):
            word = word[:-1]
        return _ids(" ".join(RULES[each] for each in LETTERS.findall(word)))


def _ids(names):
    """Ids of phones by name."""
    return [IDS[name] for name in names.split()]


def _plural(ids):
    """Ids of the ending s after a word."""
    last = SYMBOLS[ids[-1]]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return _ids("IH Z")
    return _ids("S" if last in {"P", "T", "K", "F", "TH"} else "Z")


def _past(ids):
    """Ids of the ending ed after a word."""
    last = SYMBOLS[ids[-1]]
    if last in {"T", "D"}:
        return _ids("IH D")
    voiceless = {"P", "K", "F", "TH", "S", "SH", "CH"}
    return _ids("T" if last in voiceless else "D")


# Readings of endings after a word of the dictionary.
ENDINGS = {
    "s": _plural,
    "ed": _past,
    "ing": lambda ids: _ids("IH NG"),
    "ly": lambda ids: _ids("L IY"),
    "er": lambda ids: _ids("ER"),
    "ness": lambda ids: _ids("N AH S"),
    "less": lambda ids: _ids("L AH S"),
}


def _compact(text, path):
    """CMUdict with a character for each phone, the first reading of each word."""
    lines = [""]
    for number, line in enumerate(text.splitlines(), 1):
        word, *names = line.split("#")[0].lower().split() or [";;;"]
        if word.startswith(";;;") or word.endswith(")"):
            continue  # a comment, a further reading
        ids = [_phone(name) for name in names]
        if not ids or None in ids:
            raise ValueError(
                f"{path}, line {number}: expected a word and its phones as in "
                f"CMUdict, 'sun S AH1 N', but found {line[:60]!r}."
            )
        lines.append(f"{word}\t{''.join(chr(FIRST + i) for i in ids)}")
    return "\n".join([*lines, ""]).encode()


def _phone(name):
    """Id of a phone of CMUdict: stresses 1 and 2 are one."""
    name = name.upper()
    if name.endswith("0"):
        name = name[:-1]
    return IDS.get(name[:-1] + "1" if name.endswith("2") else name)
