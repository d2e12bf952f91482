"""Sentences for a synthesiser: reading, generation and splitting."""

import random
from collections import defaultdict
from pathlib import Path

from speechbrain_gogo.dataio.manifests.rows import read_lines, read_table
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.text.english import English
from speechbrain_gogo.dataio.text.normalization import normalize_words

ENGLISH = English()


def read_sentences(paths, min_words, max_words, normalize=ENGLISH):
    """Sentences of files in their spoken form, each once, and a ClipReport.

    Files are CSV manifests with a column wrd; others have one sentence per
    line. ``normalize`` is the front end of their language.
    """
    found, report = {}, ClipReport()
    for path in map(Path, paths):
        for text in _read(path):
            if text.isupper():  # would be spelled
                text = text.lower()
            text = normalize(text)
            words = normalize_words(text)
            if not min_words <= len(words.split()) <= max_words:
                report[f"not {min_words} to {max_words} words"] += 1
            elif words in found:
                report["repeated sentence"] += 1
            else:
                report["used"] += 1
                found[words] = text
    return list(found.values()), report


def _read(path):
    """The texts of a file."""
    if path.suffix != ".csv":
        return [line.rstrip("\r\n") for line in read_lines(path)]
    names, rows = read_table(path)
    if "wrd" not in names:
        raise ValueError(f"{path} has no column wrd with sentences.")
    return [row[names.index("wrd")] for row in rows if row is not None]


def hold_out_sentences(sentences, num_valid, num_test, seed):
    """Hold sentences out for validation and for the test, by stage.

    It is an error if no training sentence would remain.
    """
    held_out = num_valid + num_test
    if len(sentences) <= held_out:
        raise ValueError(
            f"{len(sentences)} sentences are too few to hold {held_out} out: "
            "give more of them, or lower valid_sentences and test_sentences."
        )
    shuffled = random.Random(f"{seed}/split").sample(sentences, len(sentences))
    return {
        "train": shuffled[held_out:],
        "valid": shuffled[:num_valid],
        "test": shuffled[num_valid:held_out],
    }


def read_words(paths, normalize=ENGLISH):
    """The words of some lists, one per line: each once, in order.

    Words are in their spoken form; those in capitals would be spelled, and are
    skipped.
    """
    lines = [line for path in paths for line in _read(Path(path))]
    words = (normalize(x) for x in lines if not _spelled(x))
    return list(dict.fromkeys(filter(None, words)))


def _spelled(word):
    """Whether a word is in capitals, two or more: AAA, IBM's."""
    word = word.strip().removesuffix("'s")
    return len(word) > 1 and word.isupper()


def make_up_sentences(
    sentences, number, max_words, seed, avoid=(), more_words=(), share=0.0
):
    """New sentences whose neighbouring words are neighbours in given ones.

    They have no meaning, but many more combinations of words than a small
    corpus; few sentences give fewer than wanted. Sentences of ``avoid`` are not
    made. ``share`` of their words, 0 to 1, is replaced by ``more_words``.

    Example
    -------
    >>> given = ["the cat sat down", "a cat ran off", "the dog ran home"]
    >>> made_up = make_up_sentences(given, 3, 9, seed=0)
    >>> len(set(made_up) - set(given))
    3
    """
    if share and not more_words:
        raise ValueError(
            f"{share:.0%} of the words shall be from word_files, and there are "
            "no words: give a list of them, or set word_share to 0."
        )
    followers = defaultdict(list)
    for sentence in sentences:
        path = ["", *sentence.split(), ""]
        for word, follower in zip(path, path[1:]):
            followers[word].append(follower)
    generator = random.Random(f"{seed}/made up")
    known = {normalize_words(text) for text in (*sentences, *avoid)}
    made_up = []
    for _ in range(20 * number):
        if len(made_up) == number:
            break
        path = [generator.choice(followers[""])]
        while path[-1] and len(path) <= max_words:
            path.append(generator.choice(followers[path[-1]]))
        sentence = " ".join(
            generator.choice(more_words)
            if share and generator.random() < share
            else word
            for word in path[:-1]
        )
        key = normalize_words(sentence)
        if path[-1] == "" and len(path) > 3 and key not in known:
            known.add(key)
            made_up.append(sentence)
    return made_up
