"""Text as phones: the dictionary, words that it lacks, and the files."""

import pytest

from speechbrain_gogo.dataio.text import WordPieces, load_text_tokenizer
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
hop HH AA1 P
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
        ("washes", "_ W AA1 SH IH Z"),
        ("sunday's", "_ S AH1 N D EY1 Z"),
        ("bee'll wantn't", "_ B IY1 AH L _ W AA1 N T AH N T"),
        ("'bat' bats' ' so", "_ B AE1 T _ B AE1 T S _ S AA1"),  # quotes
        ("washed wanted hoped", "_ W AA1 SH T _ W AA1 N T IH D _ HH OW1 P T"),
        ("hoping hopping", "_ HH OW1 P IH NG _ HH AA1 P IH NG"),
        ("sunless", "_ S AH1 N L AH S"),
        ("sunbat", "_ S AH1 N B AE1 T"),  # a compound
        ("thockle cig", "_ TH AA1 K L _ S IH1 G"),  # by rules
        ("bb", "_ B IY1 B IY1"),  # letters
        ("A bat", "_ AH _ B AE1 T"),  # the article
        ("a B", "_ AH _ B IY1"),
        ("The B A", "_ TH EH1 _ B IY1 _ EY1"),  # the letter
        ("want A.", "_ W AA1 N T _ EY1 ."),
        ("A BAT", "_ AH _ B AE1 T"),  # a text in capitals
    ],
)
def test_words_are_looked_up_derived_or_read_by_rules(phones, text, expected):
    assert phones.spell(text) == expected
    names = expected.replace("_", "\t").split(" ")
    ids = [SYMBOLS.index(" " if name == "\t" else name) for name in names]
    assert phones.encode_batch([text, ""]) == [ids, []]


def test_saved_phones_are_the_same(phones, tmp_path):
    folder = phones.save(tmp_path / "stage1")
    loaded = load_text_tokenizer(folder)
    assert loaded.fingerprint == phones.fingerprint
    assert loaded.encode("Read sunbats.") == phones.encode("Read sunbats.")
    file = load_text_tokenizer(tmp_path / "cmudict.dict")
    assert file.fingerprint == phones.fingerprint
    pieces = WordPieces.train(["some words"], tmp_path / "text.model", 20)
    assert isinstance(load_text_tokenizer(tmp_path / "text.model"), WordPieces)
    pieces.save(folder)  # a training writes into the folder of another one
    assert load_text_tokenizer(folder).fingerprint == pieces.fingerprint
    phones.save(folder)
    assert load_text_tokenizer(folder).fingerprint == phones.fingerprint
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
    path.write_text(f"\nbee B IY1\n{line}\n")
    with pytest.raises(ValueError, match="line 3: expected a word and its"):
        Phones(path)


def test_empty_files_and_other_versions_are_refused(phones, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\n;;; nothing\n")
    with pytest.raises(ValueError, match="has no words"):
        Phones(path)
    path.write_bytes(phones.content.replace(b"#phones 1", b"#phones 0", 1))
    with pytest.raises(ValueError, match="written by another version"):
        Phones(path)


def test_every_word_of_a_large_dictionary_is_found(tmp_path):
    """The search is exact at the beginning, the end and between."""
    phones = [SYMBOLS[5 + i % 24] for i in range(500)]
    words = {f"w{i * i:x}": phones[i] for i in range(500)}
    path = tmp_path / "words"
    path.write_text("".join(f"{w} {name}\n" for w, name in words.items()))
    found = Phones(path)
    assert all(found.look_up(word) == [words[word]] for word in words)
    assert found.look_up("w") is None and found.look_up("z") is None
    assert found.look_up("a") is None
