"""What the metrics of audio have in common.

A metric measures one utterance into named columns, keeps scores the way
SpeechBrain's MetricStats does, names the judge behind its numbers, and says
how its columns become figures of a report. The judges are in the files beside.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version

import numpy as np
import torch
import torchaudio
from speechbrain.utils.metric_stats import MetricStats

EXTRA = "metrics"


@dataclass(frozen=True)
class Figure:
    """One number of a report, and the columns of results it is made of.

    Arguments
    ---------
    label : str
        Heading in tables and plots.
    column : str
        The column that is averaged over utterances.
    per : str
        If given, the figure is the ratio of the sums of ``column`` and
        ``per``, as in a corpus word error rate.
    scale : float
        Factor, such as 100 for percent.
    """

    label: str
    column: str
    per: str | None = None
    scale: float = 1.0


class SpeechMetric(MetricStats, ABC):
    """Base class of metrics that compare a signal with its original.

    Subclasses set ``columns`` (the first is the score that MetricStats
    averages), ``figures`` and ``judge``, and implement :meth:`measure`.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals that will be given, in Hz.
    """

    def __init__(self, sample_rate):
        super().__init__(metric=self.score, batch_eval=False)
        self.sample_rate = sample_rate

    @abstractmethod
    def measure(self, predict, target, transcript=None):
        """Measure one utterance.

        Arguments
        ---------
        predict : torch.Tensor | np.ndarray
            The signal to judge, [T].
        target : torch.Tensor | np.ndarray
            The original, [T].
        transcript : str
            What is said in the original.

        Returns
        -------
        dict
            A value for each of ``columns``.
        """

    def score(self, predict, target):
        """The first column of :meth:`measure`, for MetricStats."""
        return self.measure(predict, target)[self.columns[0]]


def import_backend(module, package):
    """Make sure that what a metric is computed by is there.

    Arguments
    ---------
    module : str
        The module's name.
    package : str
        The distribution that holds it.

    Returns
    -------
    str
        "package version", the name of a judge.

    Raises
    ------
    ImportError
        If it is not installed, with the extra that brings it.

    Example
    -------
    >>> import_backend("scipy.stats", "scipy").split()[0]
    'scipy'
    """
    try:
        import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This metric needs {package} ({error}): "
            f'pip install "speechbrain_gogo[{EXTRA}]"'
        ) from error
    return f"{package} {version(package)}"


def at_rate(wav, sample_rate, wanted_rate):
    """A signal at the rate of a judge.

    Arguments
    ---------
    wav : torch.Tensor | np.ndarray
        Samples, [T].
    sample_rate : int
        Their rate, in Hz.
    wanted_rate : int
        The judge's rate, in Hz.

    Returns
    -------
    np.ndarray
        float32 [T * wanted_rate / sample_rate], within [-1, 1].

    Example
    -------
    >>> at_rate(torch.zeros(24000), 24000, 16000).shape
    (16000,)
    """
    wav = torch.as_tensor(wav, dtype=torch.float32)
    if wav.dim() != 1:
        raise ValueError(
            f"A metric takes one mono signal [T], not {list(wav.shape)}."
        )
    if sample_rate != wanted_rate:
        wav = torchaudio.functional.resample(wav, sample_rate, wanted_rate)
    return np.clip(wav.numpy(), -1.0, 1.0)
