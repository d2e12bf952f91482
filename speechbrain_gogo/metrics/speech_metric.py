"""Base classes of the metrics of audio.

A metric measures an utterance into named columns, keeps scores as SpeechBrain's
MetricStats does, names its judge, and defines how columns become figures of a
report. Each judge has a file of its own.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torchaudio
from speechbrain.utils.metric_stats import MetricStats

EXTRA = "metrics"
FAINTEST = 1e-4  # of full scale: below it, a signal is silence
LEAST_SOUND = 0.4  # seconds that judges of voices and envelopes need


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

    @property
    def no_score(self):
        """The columns of an utterance that has no score: NaN, no number."""
        return dict.fromkeys(self.columns, math.nan)

    def summarize(self, field=None):
        """The host's summary, of the utterances that have a score.

        Arguments
        ---------
        field : str
            One key of the summary; all if None.

        Returns
        -------
        float | dict
            Also "unscored", how many have none. Without any score the
            average is NaN.
        """
        pairs = [p for p in zip(self.ids, self.scores) if p[1] == p[1]]
        self.summary = {"average": math.nan}
        if pairs:
            scored = MetricStats(metric=None)
            scored.ids, scored.scores = map(list, zip(*pairs))
            self.summary = scored.summarize()
        self.summary["unscored"] = len(self.ids) - len(pairs)
        return self.summary if field is None else self.summary[field]

    def score(self, predict, target):
        """The first column of :meth:`measure`, for MetricStats."""
        return self.measure(predict, target)[self.columns[0]]


class BatchedMetric(SpeechMetric):
    """Base class of metrics by a network, many utterances at once.

    Such a judge runs in the process that created it.
    Subclasses implement :meth:`measure_batch`; no score depends on what else
    is in the batch.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals that will be given, in Hz.
    device : str
        Device of the network.
    """

    def __init__(self, sample_rate, device="cpu"):
        super().__init__(sample_rate)
        self.device = device

    @abstractmethod
    def measure_batch(self, predicts, targets, transcripts=None):
        """Measure some utterances.

        Arguments
        ---------
        predicts : list
            Signals to judge, [T] each.
        targets : list
            Their originals, [T] each.
        transcripts : list of str
            What is said in them.

        Returns
        -------
        list of dict
            A value for each of ``columns``, per utterance.
        """

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        return self.measure_batch([predict], [target], [transcript])[0]

    def append(self, ids, predict, target, lengths=None):
        """Measure a padded batch, for MetricStats.

        Arguments
        ---------
        ids : list of str
            Utterance ids.
        predict : torch.Tensor
            Signals to judge, [B, T].
        target : torch.Tensor
            Their originals, [B, T].
        lengths : torch.Tensor
            Relative lengths of both, [B].
        """
        rows = self.measure_batch(cut(predict, lengths), cut(target, lengths))
        self.ids.extend(ids)
        self.scores.extend(row[self.columns[0]] for row in rows)


def cut(wavs, lengths=None):
    """Signals of a padded batch without their padding.

    Arguments
    ---------
    wavs : torch.Tensor
        [B, T].
    lengths : torch.Tensor
        Relative lengths, [B]; no padding if None.

    Returns
    -------
    list of torch.Tensor
        On the CPU, [T] each.

    Example
    -------
    >>> [len(wav) for wav in cut(torch.zeros(2, 8), torch.tensor([1, 0.5]))]
    [8, 4]
    """
    if lengths is None:
        return list(wavs.cpu())
    samples = (lengths * wavs.size(1)).round().long().tolist()
    return [wav[:n].cpu() for wav, n in zip(wavs, samples)]


def import_backend(module, package, extra=EXTRA):
    """Check that a package is installed.

    Arguments
    ---------
    module : str
        The module's name.
    package : str
        The distribution that holds it.
    extra : str
        The extra of this package that brings it, if one does.

    Returns
    -------
    str
        "package version", the name of a judge.

    Raises
    ------
    ImportError
        If it is not installed, with what to install.

    Example
    -------
    >>> import_backend("scipy.stats", "scipy").split()[0]
    'scipy'
    """
    try:
        import_module(module)
    except ImportError as error:
        wanted = f'"speechbrain_gogo[{extra}]"' if extra else package
        raise ImportError(
            f"{package} is needed ({error}): pip install {wanted}"
        ) from error
    return f"{package} {version(package)}"


def load_weights(load, source, user, probe=None):
    """Load published weights, or explain how to get them.

    Arguments
    ---------
    load : callable
        Loads the model from the source.
    source : str | Path
        An id of a hub, a folder or a file.
    user : str
        Name of the metric, for the message.
    probe : str
        A small file of the source, where that is a repository of the Hugging
        Face hub: it is asked for first, since libraries that try file after
        file take minutes to find that there is no network.

    Returns
    -------
    object
        What ``load`` gives.

    Raises
    ------
    ValueError
        If it cannot be loaded.

    Example
    -------
    >>> load_weights(str.upper, "some/model", "a judge")
    'SOME/MODEL'
    """
    try:
        if probe is not None and not Path(source).is_dir():
            from huggingface_hub import hf_hub_download

            hf_hub_download(str(source), probe)
        return load(source)
    except Exception as error:  # each hub's client has errors of its own
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise ValueError(
            f"{user} needs {source}, which could not be loaded "
            f"({type(error).__name__}: {reason}). Where there is no network, "
            "fetch it elsewhere and give the place of the copy instead."
        ) from error


def sound_seconds(wav, sample_rate):
    """How long something can be heard in a signal.

    Frames of 25 ms count that are at most 40 dB below the loudest one, which
    is what STOI takes for speech; nothing can be heard below -80 dB of full
    scale.

    Arguments
    ---------
    wav : torch.Tensor | np.ndarray
        Samples, [T].
    sample_rate : int
        Their rate, in Hz.

    Returns
    -------
    float

    Example
    -------
    >>> wav = torch.cat([torch.zeros(8000), torch.ones(8000)])
    >>> sound_seconds(wav, 16000), sound_seconds(torch.zeros(8000), 16000)
    (0.5, 0.0)
    """
    wav, size = np.asarray(wav, dtype=np.float64), round(0.025 * sample_rate)
    frames = wav[: len(wav) // size * size].reshape(-1, size)
    level = np.sqrt(np.square(frames).mean(-1))
    loudest = level.max(initial=0.0)
    if loudest < FAINTEST:
        return 0.0
    return 0.025 * int((level >= 0.01 * loudest).sum())


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
    wav = torch.as_tensor(wav, dtype=torch.float32, device="cpu").detach()
    if wav.dim() != 1:
        raise ValueError(
            f"A metric takes one mono signal [T], not {list(wav.shape)}."
        )
    if sample_rate != wanted_rate and len(wav):
        wav = torchaudio.functional.resample(wav, sample_rate, wanted_rate)
    return np.clip(wav.numpy(), -1.0, 1.0)
