"""English front end under its earlier module name.

The front ends of all languages are in ``speechbrain_gogo.dataio.text``.
"""

from speechbrain_gogo.dataio.text.english import English
from speechbrain_gogo.dataio.text.sentences import split_sentences

normalize_english = English().normalize

__all__ = ["normalize_english", "split_sentences"]
