"""Text normalisation: written to spoken form."""

import csv
import random
import re
import time
from pathlib import Path

import pytest

from speechbrain_gogo.dataio.text import (
    English,
    front_end,
    normalize_speech,
)
from speechbrain_gogo.dataio.text.sentences import split_sentences

normalize_english = English().normalize

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
    "No. I like art. I do. See Art. I, Vol. I of it.": "No. I like art. I do. "
    "See article one, volume one of it.",
    "Ann vs. Bob, e.g. Ed, in Jan. The end": "Ann versus Bob, for example Ed, "
    "in January. The end",
    "Thanks, Max. At 5 Oak Dr. in 2 Dr. Li saw 2 vs. 3 ft. of": "Thanks, Max. "
    "At five Oak drive in two doctor Li saw two versus three feet of",
    "Vitamin C. Then J. K. Ray": "Vitamin C. Then J K Ray",
    "Henry the VIII, World War II": "Henry the eighth, World War two",
    "A 1 / 2 inch; 5 000 000.5": "A one half inch; five million point five",
    "1.234.567,89 or v1.2.3": "one million two hundred thirty-four thousand "
    "five hundred sixty-seven point eight nine or version one point two point "
    "three",
    "7\u066a, 5\ufe6a, \ufe691": "seven percent, five percent, one dollar",
    "\U0001f600 \u2605 ... \u200d": "",
    "\u6c49\u5b57, \u05e9\u05dc\u05d5\u05dd": "han zi, slvm",
}


@pytest.mark.parametrize("written", SPOKEN)
def test_spoken_form(written):
    assert normalize_english(written) == SPOKEN[written]


SAMPLE = Path(__file__).parents[2] / "samples" / "text" / "english.tsv"


def sounds(text):
    """The words alone, to compare with."""
    return " ".join(re.sub("[^a-z]", " ", text.lower()).split())


def test_table_of_written_and_spoken():
    with open(SAMPLE, encoding="utf-8", newline="") as table:
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


def test_output_has_words_and_punctuation_only():
    draw = random.Random(0)
    signs = [chr(code) for code in (*range(32, 127), 0xA0, 0xBD, 0x661, 0x2167)]
    signs += list("0123456789$.,:/-%") * 3 + ["\n", "\U0001f600", "\u200b"]
    signs += ["00", "0s", "'s", "5th", " May ", " kg", " St. "] * 3
    allowed = set("abcdefghijklmnopqrstuvwxyz'.,?!;:- ")
    for _ in range(500):
        text = "".join(draw.choices(signs, k=40))
        assert set(normalize_english(text).lower()) <= allowed, text


def test_ten_thousand_symbols_are_normalised_in_time():
    start = time.process_time()
    assert normalize_english("7" * 10_000) == " ".join(["seven"] * 10_000)
    assert normalize_english("a" + "," * 20_000) == "a,"
    assert normalize_english("1," * 5_000).startswith("one, one, one,")
    assert normalize_english("a.?,! b:;c ,;") == "a?! b: c,"
    seven = "7" * 5_000  # more digits than int() takes
    for short in ("2^7", "v7", "1-2-7", "1 7/8", "7/8", "1e7", "7/8 km"):
        said = normalize_english(short.replace("7", seven))
        assert said.count("seven") == 5_000, short
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
    assert split_sentences("Room 5. 6.", 10) == ["Room 5.", "6."]


def test_text_of_other_scripts_is_split():
    """Chinese, of SoCodec's and CoFi-Speech's corpus, has no spaces."""
    text = "今天天气很好，我们去公园吧！“好吗？”好。"
    first, rest = text[:14], text[14:]
    assert split_sentences(text, 20) == [first, rest]
    assert split_sentences(text, 8) == [first[:7], first[7:], rest]
    no_marks = text[:6] * 3
    assert split_sentences(no_marks, 8) == [
        no_marks[place : place + 8] for place in (0, 8, 16)
    ]
    assert split_sentences("Привет, мир!", 9) == ["Привет,", "мир!"]
    assert normalize_speech(text[:8]) == "今天天气很好 , 我"


SENTENCES = {
    "Chapter One\n\nIt was dark.": ["Chapter One.", "It was dark."],
    "Chapter One\nIt was dark.": ["Chapter One.", "It was dark."],
    "# Why\nIt is so": ["Why.", "It is so."],
    "I met\nJohn\ntoday.": ["I met John today."],
    "To buy:\n- milk\n- two eggs\n\nDone": [
        "To buy: milk.",
        "two eggs.",
        "Done.",
    ],
    "1. Wash it.\n2. Dry it": ["one, Wash it.", "two, Dry it."],
    "Title\r\n=====\r\nText": ["Title.", "Text."],
    "A break that is far from the end\nStarts another line, which is much "
    "longer than the one before it": [
        "A break that is far from the end.",
        "Starts another line, which is much longer than the one before it.",
    ],
    "No mark, one line": ["No mark, one line"],
}


@pytest.mark.parametrize("written", SENTENCES)
def test_headings_and_lists_become_sentences(written):
    english = English()
    assert english.split(english.normalize(written)) == SENTENCES[written]


@pytest.mark.parametrize(
    "text, length, pieces",
    [
        (
            "one two three, four five six",
            20,
            ["one two three,", "four five six"],
        ),
        ("a b c d, e f; g h i j", 16, ["a b c d, e f;", "g h i j"]),
        ("we saw it when he came in", 15, ["we saw it", "when he came in"]),
        ("aa bb cc dd ee", 12, ["aa bb", "cc dd ee"]),
    ],
)
def test_long_sentences_are_split_at_the_best_position(text, length, pieces):
    assert split_sentences(text, length) == pieces


def test_adjacent_numbers_are_read_separately():
    """Each of adjacent numbers is read, with any separator."""
    draw = random.Random(1)
    between = [" ", ", ", " - ", "; ", " and ", " / ", " x ", " (", "\n", ": "]
    words = "zero|one|two|three|four|five|six|seven|eight|nine"
    for _ in range(300):
        numbers = draw.choices(range(2, 10), k=4)
        text = "".join(f"{n}{draw.choice(between)}" for n in numbers)
        said = re.findall(words, normalize_english(text))
        halves = normalize_english(text).count("half")
        assert len(said) + halves >= 3, text  # "half" says a 2


@pytest.mark.parametrize("lost", ["\ud83d", "caf\ufffd", "x\udce9y"])
def test_replacement_characters_are_named(lost):
    code = next(c for c in lost if not c.isascii())
    with pytest.raises(ValueError, match=f"U.{ord(code):04X}"):
        normalize_english(lost)


def test_front_ends_have_one_interface():
    for language in ("en", None):
        chosen = front_end(language)
        assert chosen.language == language and chosen.name
        assert chosen(" is 5") == chosen.normalize(" is 5")
        assert chosen.split("One. Two.") == ["One.", "Two."]
    assert front_end("en")("5") == "five" and front_end(None)("5") == "5"
    with pytest.raises(ValueError, match="'xx'.*codes are en"):
        front_end("xx")
