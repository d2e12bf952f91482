"""Front ends, which normalize text to its spoken form, one per language.

Training stores texts after normalization, and synthesis normalizes new texts by
the same front end. A front end has

    language, language_name          such as "en", "English"
    name                             its rules and their version, which corpora
                                     of tokens record
    normalize(text) -> str           the same as calling it; a ValueError names
                                     characters that it cannot read
    split(text, max_characters) -> list of str

A further language is a class with these members, registered below; a YAML may
also name another class (``front_end: !new:my.module.German``).
"""

from speechbrain_gogo.dataio.text.english import English
from speechbrain_gogo.dataio.text.sentences import split_sentences


class AsWritten:
    """Leaves text unchanged, for corpora that are already normalised.

    Example
    -------
    >>> AsWritten().normalize("It is 5.")
    'It is 5.'
    """

    language, language_name = None, "written"
    name = "as it is"

    def normalize(self, text):
        """The text itself."""
        return text

    __call__ = normalize

    split = staticmethod(split_sentences)


FRONT_ENDS = {None: AsWritten, "en": English}


def front_end(language):
    """The front end of a language: "en"; None leaves texts unchanged.

    Returns English, AsWritten or another object with their interface. Raises a
    ValueError if there is none for the language.

    Example
    -------
    >>> front_end("en").normalize("No. 5")
    'number five'
    """
    if language not in FRONT_ENDS:
        known = ", ".join(sorted(filter(None, FRONT_ENDS)))
        raise ValueError(
            f"There is no front end for the language {language!r}: the codes "
            f"are {known}, and null leaves texts as they are."
        )
    return FRONT_ENDS[language]()
