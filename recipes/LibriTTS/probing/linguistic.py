"""Linguistic features of an utterance, from its text.

Parts of speech are those of the tagger in TextBlob, a lexicon with rules for the
tags of the Penn Treebank, which is part of the package. It also takes transcripts in
capitals or without punctuation.
"""

import re

from nltk.tokenize import NLTKWordTokenizer
from textblob.en import tag

from speechbrain_gogo.dataio.text.normalization import normalize_words

# Feature -> first letters of Penn tags. Modals have a tag of their own (MD) and are not
# counted as verbs. Subordinating conjunctions share the tag of prepositions (IN), so
# that only coordinating ones are counted.
COUNTED = {
    "adjectives": ("JJ",),
    "adverbs": ("RB",),
    "nouns": ("NN",),
    "verbs": ("VB",),
    "pronouns": ("PRP", "WP"),
    "conjunctions": ("CC",),
}
FINITE = {"VBD": 1.0, "VBP": 0.0, "VBZ": 0.0}  # past, present

LINGUISTIC = ("unique words", "tense", *COUNTED)


def linguistic_features(text):
    """Measure a text whose numbers and abbreviations are spelled out.

    Gives a float for each of ``LINGUISTIC``: counts, and the tense of the first
    finite verb, 1 for past and 0 for present; NaN if there is none.

    Example
    -------
    >>> found = linguistic_features("She laughed, and they were very happy.")
    >>> found["unique words"], found["verbs"], found["tense"]
    (7.0, 2.0, 1.0)
    """
    tags = [name for _, name in tag_words(text)]
    tenses = [FINITE[name] for name in tags if name in FINITE]
    counts = {
        feature: float(sum(name.startswith(starts) for name in tags))
        for feature, starts in COUNTED.items()
    }
    words = set(normalize_words(text).split())
    tense = tenses[0] if tenses else float("nan")
    return {"unique words": float(len(words)), "tense": tense, **counts}


def tag_words(text):
    """Words and punctuation with their Penn tags, as pairs.

    Capitalized words are names, unless all letters are capitals. "don't" is two
    words, "do" and "n't".
    """
    text = text.lower() if text.isupper() else text
    # The tokenizer separates a full stop only at the end of the text.
    text = re.sub(r"[.?!]", r" \g<0> ", text)
    words = NLTKWordTokenizer().tokenize(text)
    # Without words the tagger would give a noun, "".
    return tag(" ".join(words), tokenize=False) if words else []
