"""Text to speak: what is written becomes what is said."""

import csv
import random
import re
import time
from pathlib import Path

import pytest

from speechbrain_gogo.inference.text import normalize_english, split_sentences

SPOKEN = {
    "Dr. A. Smith Jr. vs. the U.S.A.": "doctor A Smith junior versus the U S A.",
    "It was 1984, 1905, 2003 or the 1990s.": "It was nineteen eighty-four, "
    "nineteen oh five, two thousand three or the nineteen nineties.",
    "$1,234.50, £2m, €1": "one thousand two hundred thirty-four dollars and "
    "fifty cents, two million pounds, one euro",
    "1st, 22nd & 3rd at 5:05 p.m. today": "first, twenty-second and third at "
    "five oh five p m today",
    "On Jan. 5 I ran 3.5 km in 1 min!": "On January fifth I ran three point "
    "five kilometers in one minute!",
    "5-10 of 1,000,000 = 50%": "five to ten of one million equals fifty "
    "percent",
    "a 3-year-old F-16, room 007": "a three-year-old F-sixteen, room zero "
    "zero seven",
    "½ of No. 4, 3/4; e.g. -2°C": "one half of number four, three quarters; "
    "for example minus two degrees Celsius",
    "I \u2018love\u2019 caf\u00e9s \U0001f600\u2026 don\u2019t you?": "I love "
    "cafes. don't you?",
    "I left at 5 p.m. He slept.": "I left at five p m. He slept.",
    "From 5th St. in St. Louis": "From fifth street in saint Louis",
    "On Main St. The 5G net, 10M users, 24/7": "On Main street. The five G "
    "net, ten M users, twenty-four seven",
    "They may 5 times, on May 5 at 05:00": "They may five times, on May fifth "
    "at five o'clock",
    "Music of the '00s, 00s, '80s, 100s, 1900s": "Music of the two thousands, "
    "two thousands, eighties, hundreds, nineteen hundreds",
    "Vitamin C. Then J. K. Ray": "Vitamin C. Then J K Ray",
    "\U0001f600 \u2605 ... \u200d": "",
    "\u6c49\u5b57, \u05e9\u05dc\u05d5\u05dd": "han zi, slvm",
}


@pytest.mark.parametrize("written", SPOKEN)
def test_spoken_form(written):
    assert normalize_english(written) == SPOKEN[written]


SAMPLES = Path(__file__).parents[1] / "samples" / "text"


def sounds(text):
    """The words alone, to compare with."""
    return " ".join(re.sub("[^a-z]", " ", text.lower()).split())


@pytest.mark.parametrize("file", ["english.tsv"])
def test_table_of_written_and_spoken(file):
    with open(SAMPLES / file, encoding="utf-8", newline="") as table:
        rows = list(
            csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        )
    wrong = [
        (row["written"], said)
        for row in rows
        if not re.fullmatch(
            row["spoken"], sounds(said := normalize_english(row["written"]))
        )
    ]
    assert len(rows) > 100 and not wrong


def test_whatever_comes_only_words_and_punctuation_remain():
    draw = random.Random(0)
    signs = [chr(code) for code in (*range(32, 127), 0xA0, 0xBD, 0x661, 0x2167)]
    signs += list("0123456789$.,:/-%") * 3 + ["\n", "\U0001f600", "\u200b"]
    signs += ["00", "0s", "'s", "5th", " May ", " kg", " St. "] * 3
    allowed = set("abcdefghijklmnopqrstuvwxyz'.,?!;:- ")
    for _ in range(500):
        text = "".join(draw.choices(signs, k=40))
        assert set(normalize_english(text).lower()) <= allowed, text


def test_ten_thousand_odd_signs_take_no_time():
    start = time.process_time()
    assert normalize_english("7" * 10_000) == " ".join(["seven"] * 10_000)
    assert normalize_english("a" + "," * 20_000) == "a,"
    assert normalize_english("1," * 5_000).startswith("one, one, one,")
    assert normalize_english("a.?,! b:;c ,;") == "a?! b: c,"
    assert time.process_time() - start < 5


def test_long_text_is_split():
    sentence = "Mr. Li paid $5 for 3 books, e.g. novels, and left. "
    text = normalize_english(sentence * 200)  # 10,000 characters
    pieces = split_sentences(text, 200)
    assert len(pieces) == 200 and len(set(pieces)) == 1
    endless = normalize_english("one two, three four " * 100)
    pieces = split_sentences(endless, 60)
    assert max(map(len, pieces)) <= 60 and all(
        p[-1] == "," for p in pieces[:-1]
    )
    assert " ".join(pieces) == endless
    assert split_sentences("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]
    assert split_sentences("", 10) == split_sentences("?!", 10) == []
