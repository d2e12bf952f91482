"""Normalization of transcripts before words are compared.

The paper does not specify its normalization. Its ground truth has a word error
rate of 5.86 %, with which the alternatives here can be compared.
"""

import string
import unicodedata
from functools import cache

from speechbrain.utils.edit_distance import wer_details_for_batch

from speechbrain_gogo.dataio.text.normalization import normalize_words

LONGEST, TIMES = 8, 4  # words of a part, and how often a loop repeats it


def plain_words(text):
    """Lower-case words without punctuation, apostrophes inside them kept.

    Accents are removed, since recognisers' dictionaries have none. Digits are
    kept, but the recognisers of this package write none: spell out numbers in
    transcripts.

    Example
    -------
    >>> plain_words("'Well-known', she said: don\u2019t!")
    ['well', 'known', 'she', 'said', "don't"]
    """
    text = unicodedata.normalize("NFKD", text).replace("_", " ")
    text = "".join(c for c in text if not unicodedata.combining(c))
    words = normalize_words(text).split()
    return [word for word in (w.strip("'") for w in words) if word]


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
    """Characters of the words of :func:`plain_words`, of any script.

    Example
    -------
    >>> characters("Oh, no!")
    ['o', 'h', 'n', 'o']
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
    """The function (text to list of str) of a name, or a callable itself.

    Raises a ValueError if there is none of this name.
    """
    if callable(normalizer):
        return normalizer
    if normalizer not in NORMALIZERS:
        raise ValueError(
            f"No normalization '{normalizer}' of transcripts: there are "
            f"{', '.join(NORMALIZERS)}."
        )
    return NORMALIZERS[normalizer]


def count_errors(transcript, hypothesis, normalizer="words"):
    """Word errors of a recogniser's hypothesis, and words of the transcript.

    Raises a ValueError if the transcript has no words.

    Arguments
    ---------
    transcript : str
        What was said.
    hypothesis : str
        What was recognised.
    normalizer : str | callable
        One of NORMALIZERS, or a function of text to a list of words.

    Returns
    -------
    tuple of int
        Errors, and words.

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
    """Whether up to 8 words are repeated four times in a row, or more often.

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
