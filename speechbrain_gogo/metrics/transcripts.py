"""When two transcripts say the same: what is taken out before words are compared.

The paper does not say what it does. Its ground truth has a word error rate of
5.86 %, so these can be tried on the original recordings until one fits.
"""

import re
import string
import unicodedata
from functools import cache

from speechbrain.utils.edit_distance import wer_details_for_batch


def normalize_words(text):
    """Lower-case words without punctuation, apostrophes inside them kept.

    Accents go, as recognisers' dictionaries have none. Digits stay digits,
    which recognisers of this package never write: spell numbers out in
    transcripts.

    Arguments
    ---------
    text : str
        A transcript.

    Returns
    -------
    list of str
        Its words.

    Example
    -------
    >>> normalize_words("'Well-known', she said: don\u2019t!")
    ['well', 'known', 'she', 'said', "don't"]
    """
    text = unicodedata.normalize("NFKD", text.replace("\u2019", "'").lower())
    text = "".join(c for c in text if not unicodedata.combining(c))
    words = re.sub(r"[^\w']|_", " ", text).split()
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
    """Words as Whisper's normaliser for English leaves them.

    Numbers become digits, abbreviations and contractions are written out,
    fillers go. Its list of British spellings comes from a hub and is not used.

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
    """Words in lower case, punctuation and all.

    Example
    -------
    >>> verbatim_words("Well, she said.")
    ['well,', 'she', 'said.']
    """
    return text.lower().split()


NORMALIZERS = {
    "words": normalize_words,
    "deleted": delete_punctuation,
    "whisper": whisper_words,
    "verbatim": verbatim_words,
}


def count_errors(transcript, heard, normalizer="words"):
    """Word errors of one utterance.

    Arguments
    ---------
    transcript : str
        What is said.
    heard : str
        What a recogniser heard.
    normalizer : str
        One of ``NORMALIZERS``.

    Returns
    -------
    tuple of int
        Errors, and words of the transcript.

    Raises
    ------
    ValueError
        If the transcript has no words, or there is no such normaliser.

    Example
    -------
    >>> count_errors("The cat sat.", "the hat sat")
    (1, 3)
    """
    if normalizer not in NORMALIZERS:
        raise ValueError(
            f"No normalization '{normalizer}' of transcripts: there are "
            f"{', '.join(NORMALIZERS)}."
        )
    normalize = NORMALIZERS[normalizer]
    words = normalize(transcript or "")
    if not words:
        raise ValueError(f"Word errors need a transcript, not {transcript!r}.")
    details = wer_details_for_batch([""], [words], [normalize(heard)])[0]
    return details["num_edits"], len(words)
