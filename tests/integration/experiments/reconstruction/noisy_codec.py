"""A codec that adds noise and a judge that measures it, for the bookkeeping."""

import csv
from pathlib import Path

from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric

RATE = 24000


class Difference(SpeechMetric):
    """Mean absolute difference, cheap and exact."""

    columns, figures = ("difference",), (Figure("difference", "difference"),)
    judge = "difference of samples"

    def __init__(self):
        super().__init__(RATE)

    def measure(self, predict, target, transcript=None):
        return {"difference": float(abs(predict - target).mean())}


class NoisyCodec:
    """Adds 1 / keep to every sample; may be killed after some calls."""

    name, checkpoint, licence = "noisy", "noise", "CC0"
    sample_rate = RATE

    def __init__(self, weights="a", survives=99, keeps=(1, 4)):
        self.settings = {"weights": weights}
        self.left, self.calls, self.keeps = survives, 0, keeps

    def rows(self, utterances):
        return {f"keep {keep}": {"keep": keep} for keep in self.keeps}

    def rate(self, keep):
        from systems import Rate

        return Rate(5.0 * keep, 5.0, keep, 50.0 * keep)

    def reconstruct(self, wavs, keep):
        if self.left == self.calls:
            raise KeyboardInterrupt
        self.calls += 1
        return wavs + 1 / keep


def read_rows(hparams):
    with open(Path(hparams["output_folder"]) / "results.csv") as stream:
        return list(csv.DictReader(stream))
