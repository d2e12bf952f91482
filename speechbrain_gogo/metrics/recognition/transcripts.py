"""Normalization of transcripts before words are compared.

The paper does not specify its normalization. It gives 5.86 % word errors for the
recordings: the alternatives here can be checked against this number.
"""

import string
import unicodedata
from functools import cache

from speechbrain.utils.edit_distance import wer_details_for_batch

from speechbrain_gogo.dataio.text.normalization import normalize_words

LONGEST, TIMES = 8, 4  # words of a loop, at most, and its repetitions
VOICING = "\u3099\u309a"  # marks of Japanese kana, which are no accents


def plain_words(text):
    """Lower-case words without punctuation, apostrophes inside them kept.

    Accents are removed, since recognisers' dictionaries have none. Digits are
    kept, but pocketsphinx and HuBERT write none: spell out numbers in
    transcripts.

    Example
    -------
    >>> plain_words("'Well-known', she said: don\u2019t!")
    ['well', 'known', 'she', 'said', "don't"]
    """
    text = unicodedata.normalize("NFKD", text).replace("_", " ")
    text = "".join(
        c for c in text if c in VOICING or not unicodedata.combining(c)
    )
    text = unicodedata.normalize("NFC", text)  # syllables of Hangul, and kana
    words = [word.strip("'") for word in normalize_words(text).split()]
    return list(filter(None, words))


def delete_punctuation(text):
    """Lower-case words; every ASCII punctuation mark is deleted.

    Example
    -------
    >>> delete_punctuation("'Well-known', she said: don't!")
    ['wellknown', 'she', 'said', 'dont']
    """
    marks = str.maketrans("", "", string.punctuation)
    return text.translate(marks).lower().split()


def whisper_words(text):
    """Words after Whisper's normaliser for English.

    Numbers become digits, abbreviations and contractions are expanded,
    fillers are removed. Its list of British spellings comes from a hub and is not
    used.

    Example
    -------
    >>> whisper_words("Mr. Fox won't eat twenty-two, um, hens.")
    ['mister', 'fox', 'will', 'not', 'eat', '22', 'hens']
    """
    return _whisper_normalizer()(text).split()


@cache
def _whisper_normalizer():
    from transformers.models.whisper import english_normalizer

    return english_normalizer.EnglishTextNormalizer({})


def verbatim_words(text):
    """Words in lower case, with their punctuation.

    Example
    -------
    >>> verbatim_words("Well, she said.")
    ['well,', 'she', 'said.']
    """
    return text.lower().split()


def characters(text):
    """Characters of the words of :func:`plain_words`, for character errors.

    Example
    -------
    >>> characters("Oh, no!"), characters("\ud55c\uad6d \u304c")
    (['o', 'h', 'n', 'o'], ['\ud55c', '\uad6d', '\u304c'])
    """
    return list("".join(plain_words(text)))


NORMALIZERS = {
    "characters": characters,
    "words": plain_words,
    "deleted": delete_punctuation,
    "whisper": whisper_words,
    "verbatim": verbatim_words,
}


def find_normalizer(normalizer):
    """A function of text to a list of str, by its name; a callable unchanged.

    Raises a ValueError if there is none of this name.
    """
    if callable(normalizer):
        return normalizer
    if normalizer not in NORMALIZERS:
        raise ValueError(
            f"No normalization of transcripts is called '{normalizer}'. Use "
            f"one of {', '.join(NORMALIZERS)}."
        )
    return NORMALIZERS[normalizer]


def count_errors(transcript, hypothesis, normalizer="words"):
    """Errors of a recogniser's hypothesis, and words of the transcript.

    Errors are substitutions, insertions and deletions. The normalizer is one of
    NORMALIZERS, or a function of text to a list of words; both numbers are of
    characters if it splits into characters. Raises a ValueError if the
    transcript has no words.

    Example
    -------
    >>> count_errors("The cat sat.", "the hat sat")
    (1, 3)
    """
    normalize = find_normalizer(normalizer)
    words = normalize(transcript or "")
    if not words:
        raise ValueError(f"Word errors need a transcript, not {transcript!r}.")
    details = wer_details_for_batch([""], [words], [normalize(hypothesis)])[0]
    return details["num_edits"], len(words)


def repeats_itself(hypothesis):
    """Whether a hypothesis has a loop: 1 to 8 words, four times in a row.

    Example
    -------
    >>> repeats_itself("I do. I do. I do. I do."), repeats_itself("no, no, no")
    (True, False)
    """
    words = plain_words(hypothesis)
    for size in range(1, LONGEST + 1):
        for first in range(len(words) - TIMES * size + 1):
            part = words[first : first + TIMES * size]
            if part == TIMES * part[:size]:
                return True
    return False
