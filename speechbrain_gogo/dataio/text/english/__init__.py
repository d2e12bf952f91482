"""The English front end: normalization of text to its spoken form.

Each module of this folder handles one kind of notation. Their rules are applied
in a fixed order, so that every number is read by the most specific rule that
fits.
"""

from speechbrain_gogo.dataio.text.english.front_end import English

__all__ = ["English"]
