"""Mel-cepstral distortion (Kubichek, 1993) by mel-cepstral-distance.

SoCodec and CoFi-Speech evaluate their codecs with it (Section 5.3). Neither paper
gives its settings; here they are the defaults of the package: 20 mel bands,
coefficients 1 to 15, windows of 32 ms every 8 ms, and both signals scaled to
their peak. Values with other settings are not comparable.
"""

import tempfile
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from speechbrain_gogo.metrics.signals import at_rate, sound_seconds
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric
from speechbrain_gogo.optional_packages import import_backend

RATE = 16000  # of the comparison, in Hz
WINDOW = 512  # samples, 32 ms; the package needs more than one window


class MelCepstralDistortion(SpeechMetric):
    """Distance of mel cepstra from those of the original, in dB.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals, in Hz.
    aligning : str
        "pad": frame by frame, for reconstructions, which have the timing of the
        original; "dtw": along the best alignment, for synthesized speech.

    Example
    -------
    >>> import torch
    >>> wavs = torch.randn(1, 24000, generator=torch.manual_seed(0))
    >>> metric = MelCepstralDistortion()
    >>> metric.append(["a"], predict=wavs, target=wavs)
    >>> metric.summarize("average")
    0.0
    """

    columns = ("mcd",)
    figures = (Figure("MCD (dB)", "mcd"),)

    def __init__(self, sample_rate=24000, aligning="pad"):
        super().__init__(sample_rate)
        name = "mel-cepstral-distance"
        package = import_backend("mel_cepstral_distance", name)
        self.aligning = aligning
        self.judge = f"MCD: {package}, {RATE} Hz, {aligning}"

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        from mel_cepstral_distance import compare_audio_files

        signals = [
            at_rate(wav, self.sample_rate, RATE) for wav in (predict, target)
        ]
        silent = min(sound_seconds(wav, RATE) for wav in signals) == 0
        if silent or min(map(len, signals)) <= WINDOW:
            return self.no_score
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{name}.wav" for name in "ab"]
            for path, wav in zip(paths, signals):
                wavfile.write(path, RATE, np.asarray(wav, np.float32))
            found, _ = compare_audio_files(*paths, aligning=self.aligning)
        return {"mcd": float(found)}
