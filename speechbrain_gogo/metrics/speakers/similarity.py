"""Speaker similarity, by the offline judge: cosine of Resemblyzer embeddings.

The paper measures it with WavLM-large speaker verification, whose weights
come from a hub; its numbers and these are not comparable.
"""

from functools import cached_property

from speechbrain_gogo.metrics.signals import LEAST_SOUND, at_rate, sound_seconds
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric
from speechbrain_gogo.optional_packages import import_backend

RATE = 16000


class SpeakerSimilarity(SpeechMetric):
    """Cosine between the voices of a signal and its original.

    Signals are at ``sample_rate``, in Hz. Resemblyzer's preprocessing is
    applied: quiet audio is amplified, and long silences are removed. Without
    0.4 s of sound in both signals there is no score.

    Example
    -------
    >>> import torch
    >>> wav = torch.randn(24000, generator=torch.manual_seed(0)) / 10
    >>> row = SpeakerSimilarity().measure(wav, wav)
    >>> round(row["similarity"], 3)
    1.0
    """

    columns = ("similarity",)
    figures = (Figure("speaker similarity", "similarity"),)

    def __init__(self, sample_rate=24000):
        super().__init__(sample_rate)
        package = import_backend("resemblyzer", "Resemblyzer")
        self.judge = f"speaker similarity: {package}, {RATE} Hz, cosine with the original"

    @cached_property
    def _encoder(self):
        from resemblyzer import VoiceEncoder

        return VoiceEncoder("cpu", verbose=False)

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        voices = [self._embed(wav) for wav in (predict, target)]
        if any(voice is None for voice in voices):
            return self.no_score
        return {"similarity": float(voices[0] @ voices[1])}

    def _embed(self, wav):
        """Unit-length voice embedding [256] of a signal [T]; None for silence."""
        from resemblyzer import preprocess_wav

        wav = at_rate(wav, self.sample_rate, RATE)
        if sound_seconds(wav, RATE) < LEAST_SOUND:
            return None
        wav = preprocess_wav(wav)
        return self._encoder.embed_utterance(wav) if len(wav) else None
