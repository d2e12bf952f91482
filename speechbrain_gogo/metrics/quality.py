"""Perceptual evaluation of speech quality (Rix et al., 2001) by pesq.

The paper's protocol and the offline judge are the same here: wide band at
16 kHz and narrow band at 8 kHz, errors of the algorithm returned as scores.
"""

import math

from speechbrain_gogo.metrics.speech_metric import (
    Figure,
    SpeechMetric,
    at_rate,
    import_backend,
)

RATES = {"wb": 16000, "nb": 8000}


class PESQ(SpeechMetric):
    """Listening quality against the original, about 1 to 4.64 (wb) or 4.55.

    A signal in which the algorithm finds no utterance, digital silence
    included, or which is shorter than 1/4 s, scores the library's negative
    error code, as in the paper's protocol (``on_error=1``).

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
            raise ValueError(f"PESQ knows the bands wb and nb, not {band!r}.")
        super().__init__(sample_rate)
        self.band = band
        self.columns = (f"pesq_{band}",)
        self.figures = (Figure(f"PESQ-{band.upper()}", f"pesq_{band}"),)
        package = import_backend("pesq", "pesq")
        self.judge = f"PESQ: {package}, {band}, {RATES[band]} Hz, on_error=1"

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        from pesq import PesqError, pesq

        rate = RATES[self.band]
        score = pesq(
            rate,
            at_rate(target, self.sample_rate, rate),
            at_rate(predict, self.sample_rate, rate),
            self.band,
            on_error=PesqError.RETURN_VALUES,
        )
        if not math.isfinite(score):  # its answer to digital silence
            score = PesqError.NO_UTTERANCES_DETECTED
        return {self.columns[0]: float(score)}
