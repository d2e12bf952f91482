"""Base classes of the metrics of audio.

A metric measures utterances as named columns, keeps scores as SpeechBrain's
MetricStats does, names its judge, and defines the figures of a report. Each
judge has its own file.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from speechbrain.utils.metric_stats import MetricStats

from speechbrain_gogo.metrics.signals import cut


@dataclass(frozen=True)
class Figure:
    """One number of a report, and the columns from which it is computed.

    label: heading in tables and plots; column: the column that is averaged over
    utterances; per: if given, the figure is the ratio of the sums of ``column``
    and ``per``, as in a corpus word error rate; scale: factor, such as 100 for
    percent.
    """

    label: str
    column: str
    per: str | None = None
    scale: float = 1.0


class SpeechMetric(MetricStats, ABC):
    """Base class of metrics that compare a signal with its original.

    Subclasses set ``columns`` (the first is the score that MetricStats
    averages), ``figures`` and ``judge``, and implement :meth:`measure`.
    ``sample_rate`` is that of the signals that will be given, in Hz.
    """

    def __init__(self, sample_rate):
        super().__init__(metric=self.score, batch_eval=False)
        self.sample_rate = sample_rate

    @abstractmethod
    def measure(self, predict, target, transcript=None):
        """Measure one utterance: a value for each of ``columns``, a dict.

        ``predict`` is the signal to judge and ``target`` the original, tensors
        or arrays [T]; ``transcript`` is the text of the original.
        """

    @property
    def no_score(self):
        """Columns of an utterance without a score: NaN."""
        return dict.fromkeys(self.columns, math.nan)

    def summarize(self, field=None):
        """SpeechBrain's summary of utterances with a score, or one key of it.

        It also has "unscored", the number of utterances without a score. If no
        utterance has a score, the scores are NaN and the ids None. ``field`` is
        a key of the summary, such as "average"; all by default.
        """
        pairs = [
            (name, score)
            for name, score in zip(self.ids, self.scores)
            if not math.isnan(score)
        ]
        scores = dict.fromkeys(("average", "min_score", "max_score"), math.nan)
        self.summary = {**scores, "min_id": None, "max_id": None}
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

    Such a metric runs in the process that created it, not in worker processes,
    with its network on ``device``. Subclasses implement :meth:`measure_batch`;
    scores must not depend on the batch.
    """

    def __init__(self, sample_rate, device="cpu"):
        super().__init__(sample_rate)
        self.device = device

    @abstractmethod
    def measure_batch(self, predicts, targets, transcripts=None):
        """Measure utterances.

        Signals and originals are lists of [T]. Gives a dict for each utterance,
        with a value for each of ``columns``.
        """

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        return self.measure_batch([predict], [target], [transcript])[0]

    def append(self, ids, predict, target, lengths=None):
        """Measure padded signals and originals [B, T] of lengths [B]."""
        rows = self.measure_batch(cut(predict, lengths), cut(target, lengths))
        self.ids.extend(ids)
        self.scores.extend(row[self.columns[0]] for row in rows)
