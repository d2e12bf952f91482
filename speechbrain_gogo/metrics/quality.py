"""Perceptual evaluation of speech quality (Rix et al., 2001) by pesq.

The paper's protocol and the offline judge are the same here: wide band at
16 kHz and narrow band at 8 kHz.
"""

import math

from speechbrain_gogo.metrics.signals import at_rate, sound_seconds
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric
from speechbrain_gogo.optional_packages import import_backend

RATES = {"wb": 16000, "nb": 8000}


class PESQ(SpeechMetric):
    """Listening quality against the original, about 1 to 4.64 (wb) or 4.55.

    A signal without a detected utterance (such as digital silence), or shorter
    than 1/4 s, has no score: NaN instead of the library's negative error code.

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
        from pesq import PesqError, pesq

        rate = RATES[self.band]
        pair = [at_rate(w, self.sample_rate, rate) for w in (target, predict)]
        # It scales by the peak: noise of the last bit would be speech.
        if not all(sound_seconds(wav, rate) for wav in pair):
            return self.no_score
        score = pesq(rate, *pair, self.band, on_error=PesqError.RETURN_VALUES)
        # Errors are negative.
        if not (math.isfinite(score) and score > 0):
            return self.no_score
        return {self.columns[0]: float(score)}
