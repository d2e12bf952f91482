"""Text as ids of phones, by a pronunciation dictionary of English.

A tokenizer for small models: from a few hours of speech they do not learn how
English is spelled. It has the interface of tokenizers.py.
"""

import re
import zlib
from pathlib import Path

from speechbrain_gogo.dataio.text.files import PHONES, make_room
from speechbrain_gogo.dataio.text.normalization import normalize_speech
from speechbrain_gogo.dataio.text.readings import derive

MARKS = " ", ",", ".", "?", "!"  # the first is a border between words
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
# Of CMUdict's stresses, 0 is apart from 1 and 2: AH0 is a reduced vowel.
STRESSED = [f"{vowel}1" for vowel in VOWELS.split()]
SYMBOLS = [*MARKS, *CONSONANTS.split(), *VOWELS.split(), *STRESSED]
IDS = {symbol: i for i, symbol in enumerate(SYMBOLS)}

# Raise it with any change of ids, here or in readings.py: models that were
# trained with other ones are refused then.
VERSION = 1
HEADER = f"#phones {VERSION} {' '.join(SYMBOLS[1:])}\n".encode()
FIRST = ord("!")  # the character of id 0 in a saved dictionary

# A capital A beside another single capital, or within a sentence, is the letter.
LETTER_A = re.compile(
    r"\bA(?= [A-Z]\b)|(?<=\b[A-Z] )A\b(?!')|(?<=[a-z,] )A\b(?![a-z'])"
)
NAME_OF_A = "ay"


class Phones:
    r"""Ids of the phones of English text, with word borders and marks of pauses.

    Arguments
    ---------
    path : str | Path
        A pronunciation dictionary: CMUdict (``cmudict.dict``), another file in its
        format, or what :meth:`save` wrote. Of several readings of a word, the
        first is taken.

    Raises
    ------
    ValueError
        If it is none of these, or was written by another version.

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

    FILE = PHONES
    vocab_size = len(SYMBOLS)

    def __init__(self, path):
        content = Path(path).read_bytes()
        if not content.startswith(b"#phones "):
            content = _compact(content.decode("utf-8-sig", "replace"), path)
        if not content.startswith(HEADER):
            raise ValueError(
                f"{path} was written by another version of this package, whose "
                "ids of phones are not these: take the version that trained the model."
            )
        self.content = content
        self.known = {}  # word to ids, of those that were needed so far

    @property
    def fingerprint(self):
        """Equal for equal ids of all texts, a str."""
        return f"{zlib.crc32(self.content):08x}"

    def encode(self, text):
        """Text to ids, a list of int; a border is before each word.

        A ValueError names letters that have no reading.
        """
        ids = []
        if not text.isupper():  # in capitals, an A may as well be the article
            text = LETTER_A.sub(NAME_OF_A, text)
        for part in normalize_speech(text).split():
            said = [IDS[part]] if part in IDS else self.pronounce(part)
            ids += said if part in IDS or not said else [IDS[" "], *said]
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
            found = derive(word, self.look_up)
            self.known[word] = [IDS[name] for name in found]
        return self.known[word]

    def unknown(self, text):
        """Letters of a text that have no reading, a set of str."""
        found = set()
        for word in normalize_speech(text).split():
            try:
                self.encode(word)
            except ValueError:
                found |= set(re.sub("[a-z']", "", word))
        return found

    def save(self, folder):
        """Write ``phones.txt`` into a folder; gives the folder's path."""
        folder = make_room(folder)
        (folder / self.FILE).write_bytes(self.content)
        return folder

    def look_up(self, word):
        """Phones of a word of the dictionary, a list of str, or None.

        The lines are sorted and searched as they are: to parse all of them would
        take longer than to speak a sentence.
        """
        key, low, high = word.encode(), len(HEADER), len(self.content)
        while low < high:
            middle = (low + high) // 2
            start = self.content.rfind(b"\n", low, middle) + 1 or low
            end = self.content.index(b"\n", middle)
            found, _, codes = self.content[start:end].partition(b"\t")
            if found == key:
                return [SYMBOLS[code - FIRST] for code in codes]
            low, high = (end + 1, high) if found < key else (low, start)
        return None


def _compact(text, path):
    """A dictionary with a character for each phone, sorted by words."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        word, *names = line.split("#")[0].split() or [";;;"]
        if word.startswith(";;;") or word.endswith(")"):
            continue  # a comment, a further reading
        ids = [_phone(name.upper()) for name in names]
        if not ids or None in ids:
            raise ValueError(
                f"{path}, line {number}: expected a word and its phones as in "
                f"CMUdict, 'sun S AH1 N', but found {line[:60]!r}."
            )
        codes = "".join(chr(FIRST + i) for i in ids)
        found.setdefault(word.lower().encode(), codes.encode())
    if not found:
        raise ValueError(
            f"{path} has no words: it is no pronunciation dictionary."
        )
    lines = (b"%s\t%s\n" % entry for entry in sorted(found.items()))
    return HEADER + b"".join(lines)


def _phone(name):
    """Id of a phone of CMUdict: stresses 1 and 2 are one, 0 is none."""
    if name.endswith("0"):
        name = name[:-1]
    return IDS.get(name[:-1] + "1" if name.endswith("2") else name)
