"""Text as phones: the dictionary, words that it lacks, and the files."""

import pytest

from speechbrain_gogo.dataio.text import load_text_tokenizer
from speechbrain_gogo.dataio.text.phones import SYMBOLS, Phones

# Lines of CMUdict, with a further reading, stresses and comments.
DICTIONARY = """\
;;; a comment of older versions, which have capitals
A  AH0
AY  EY1
B  B IY1
BAT  B AE1 T
bee B IY1
bridge B R IH1 JH
hope HH OW1 P
read R EH1 D
read(2) R IY1 D
rubber R AH1 B ER0
sun S AH1 N
sunday S AH1 N D EY2 # a comment
wash W AA1 SH
want W AA1 N T

it's IH1 T S
"""


@pytest.fixture
def phones(tmp_path):
    path = tmp_path / "cmudict.dict"
    path.write_text(DICTIONARY)
    return Phones(path)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Read, SUNDAY!", "_ R EH1 D , _ S AH1 N D EY1 !"),  # the first reading
        ("It\u2019s rubber", "_ IH1 T S _ R AH1 B ER"),
        ("bats bees bridges", "_ B AE1 T S _ B IY1 Z _ B R IH1 JH IH Z"),
        ("sunday's", "_ S AH1 N D EY1 Z"),
        ("washed wanted hoped", "_ W AA1 SH T _ W AA1 N T IH D _ HH OW1 P T"),
        ("hoping batting", "_ HH OW1 P IH NG _ B AE1 T IH NG"),
        ("a bat", "_ AH _ B AE1 T"),
        ("a b", "_ EY1 _ B IY1"),  # letters
        ("b a, b a's", "_ B IY1 _ EY1 , _ B IY1 _ AH Z"),
        ("sunbat", "_ S AH1 N B AE1 T"),  # a compound
        ("thockle", "_ TH AA1 K L"),  # by rules
    ],
)
def test_words_are_looked_up_derived_or_read_by_rules(phones, text, expected):
    assert phones.spell(text) == expected
    names = expected.replace("_", " ").replace("   ", "\t \t").split("\t")
    ids = [SYMBOLS.index(name) for part in names for name in part.split()]
    assert [i for i in phones.encode(text) if SYMBOLS[i] != " "] == ids
    assert phones.encode_batch([text, ""]) == [phones.encode(text), []]


def test_saved_phones_are_the_same(phones, tmp_path):
    folder = phones.save(tmp_path / "stage1")
    loaded = load_text_tokenizer(folder)
    assert loaded.fingerprint == phones.fingerprint
    assert loaded.encode("Read sunbats.") == phones.encode("Read sunbats.")
    file = load_text_tokenizer(tmp_path / "cmudict.dict")
    assert file.fingerprint == phones.fingerprint
    (tmp_path / "other").write_text("bat B AE1 D\n")
    other = load_text_tokenizer(tmp_path / "other")
    assert other.fingerprint != phones.fingerprint


def test_letters_without_a_reading_are_refused(phones):
    with pytest.raises(ValueError, match="'naïve' has .* reading, 'ï'"):
        phones.encode("A naïve bee")
    assert phones.unknown("Sunday, wxyz!") == set()
    assert phones.unknown("na\u00efve 5") == {"\u00ef", "5"}


@pytest.mark.parametrize("line", ["bat", "bat B XX1 T", "a long sentence."])
def test_other_files_are_refused_by_line(tmp_path, line):
    path = tmp_path / "words.txt"
    path.write_text(f"bee B IY1\n{line}\n")
    with pytest.raises(ValueError, match="line 2: expected a word and its"):
        Phones(path)
