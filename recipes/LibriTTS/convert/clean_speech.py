"""Similarity of enhanced speech to the clean recording."""

from speechbrain_gogo.metrics import STOI


class SourceSTOI(STOI):
    """STOI against the clip as it was recorded, before any disturbance.

    Signals to compare with are pairs: the prompt and the clip as it was
    recorded.
    """

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        return super().measure(predict, target[1], transcript)
