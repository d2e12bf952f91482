"""Perceptual evaluation of speech quality (Rix et al., 2001) by pesq.

The paper's protocol and the offline judge are the same here: wide band at
16 kHz and narrow band at 8 kHz.
"""

import math
from itertools import pairwise

from speechbrain_gogo.metrics.signals import at_rate, sound_seconds
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric
from speechbrain_gogo.optional_packages import import_backend

RATES = {"wb": 16000, "nb": 8000}
# P.862.3 recommends 8 to 30 s. The library has room for 50 utterances between
# pauses and writes beyond it, which ends the process.
LONGEST = 30  # seconds


class PESQ(SpeechMetric):
    """Listening quality against the original, about 1 to 4.64 (wb) or 4.55.

    A signal without a detected utterance (such as digital silence), or shorter
    than 1/4 s, has no score: NaN instead of the library's negative error code.
    The score of more than 30 s is the mean over equal pieces of at most that.

    Arguments
    ---------
    band : str
        "wb" or "nb".
    sample_rate : int
        Rate of the signals, in Hz.

    Example
    -------
    >>> PESQ("nb").columns
    ('pesq_nb',)
    """

    def __init__(self, band="wb", sample_rate=24000):
        if band not in RATES:
            raise ValueError(f"PESQ has the bands wb and nb, not {band!r}.")
        super().__init__(sample_rate)
        self.band = band
        self.columns = (f"pesq_{band}",)
        self.figures = (Figure(f"PESQ-{band.upper()}", f"pesq_{band}"),)
        package = import_backend("pesq", "pesq")
        self.judge = f"PESQ: {package}, {band}, {RATES[band]} Hz"

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        rate = RATES[self.band]
        pair = [at_rate(w, self.sample_rate, rate) for w in (target, predict)]
        total = len(pair[0])
        count = max(1, math.ceil(total / (LONGEST * rate)))
        ends = [total * piece // count for piece in range(count + 1)]
        scores = [
            self._score([wav[start:end] for wav in pair], rate)
            for start, end in pairwise([*ends[:-1], None])
        ]
        scores = [score for score in scores if score is not None]
        if not scores:
            return self.no_score
        return {self.columns[0]: sum(scores) / len(scores)}

    def _score(self, pair, rate):
        """Score of a pair of signals; None if there is none."""
        from pesq import PesqError, pesq

        # It scales by the peak: noise of the last bit would be speech.
        if not all(sound_seconds(wav, rate) for wav in pair):
            return None
        score = pesq(rate, *pair, self.band, on_error=PesqError.RETURN_VALUES)
        # Errors are negative.
        return float(score) if math.isfinite(score) and score > 0 else None
