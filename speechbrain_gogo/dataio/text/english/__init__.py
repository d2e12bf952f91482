"""The front end of English: what is written becomes what is said.

Each module beside this one reads one kind of writing; their rules are applied
in the order below, so every number is read by the most special one that fits.
"""

from speechbrain_gogo.dataio.text.english.front_end import English

__all__ = ["English"]
