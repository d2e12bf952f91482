"""Short-time objective intelligibility (Taal et al., 2010) by pystoi.

The paper's protocol and the offline judge are the same here: the standard
(not the extended) measure on signals at the codec's rate.
"""

import warnings

from speechbrain_gogo.metrics.signals import at_rate, sound_seconds
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric
from speechbrain_gogo.optional_packages import import_backend

TOO_SHORT = 1e-5  # pystoi's return value without a score


class STOI(SpeechMetric):
    """Correlation of short-time envelopes with the original, 0 to 1.

    Signals are at ``sample_rate``, in Hz. There is no score if less than 30
    frames (0.4 s) of speech remain without silence: pystoi then warns and
    returns 1e-5.

    Example
    -------
    >>> import torch
    >>> wavs = torch.randn(2, 24000, generator=torch.manual_seed(0))
    >>> metric = STOI()
    >>> metric.append(["a", "b"], predict=wavs, target=wavs)
    >>> round(metric.summarize("average"), 3)
    1.0
    """

    columns = ("stoi",)
    figures = (Figure("STOI", "stoi"),)

    def __init__(self, sample_rate=24000):
        super().__init__(sample_rate)
        package = import_backend("pystoi", "pystoi")
        self.judge = f"STOI: {package}, {sample_rate} Hz, not extended"

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        from pystoi import stoi

        predict = at_rate(predict, self.sample_rate, self.sample_rate)
        target = at_rate(target, self.sample_rate, self.sample_rate)
        if sound_seconds(target, self.sample_rate) == 0:
            return self.no_score
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Not enough STFT frames")
            score = stoi(target, predict, self.sample_rate, extended=False)
        return self.no_score if score == TOO_SHORT else {"stoi": float(score)}
