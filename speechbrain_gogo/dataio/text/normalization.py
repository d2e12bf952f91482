"""Normalization of transcripts before they become token ids."""

import re

# Chinese marks of pauses.
WIDE_MARKS = str.maketrans(
    "\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f", ",.!,,,?"
)


def normalize_words(text):
    """A transcript in lower case: letters, digits and apostrophes only.

    Example
    -------
    >>> normalize_words(" Don't -- stop,  SIR! ")
    "don't stop sir"
    """
    text = text.lower().replace("\u2019", "'")
    return " ".join(re.findall(r"[\w']+", text))


def normalize_speech(text):
    """Like :func:`normalize_words`, with the punctuation marks of pauses.

    Digits should be spelled out before.

    Example
    -------
    >>> normalize_speech(" Don't -- stop,  SIR! Why; (no)")
    "don't stop , sir ! why , no"
    """
    text = text.lower().replace("\u2019", "'").translate(WIDE_MARKS)
    text = re.sub("[;:]", ",", text)
    return " ".join(re.findall(r"[\w']+|[.,?!]", text))
