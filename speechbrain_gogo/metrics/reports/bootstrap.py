"""Bootstrap intervals for figures over a test set.

Utterances are resampled with replacement. The interval covers the sampling of
utterances; it ignores correlations within speakers.
"""

import math

import numpy as np
from scipy import stats


def bootstrap_interval(values, weights=None, seed=0):
    """Ratio of sums over utterances, and its 95 % bootstrap interval.

    Of values [N] and divisors [N] (the words, for a corpus word error rate),
    which are ones if None: the ratio is then a mean. Raises a ValueError if
    there is no utterance, or a value that is not finite.

    Example
    -------
    >>> bootstrap_interval([2.0, 2.0, 2.0])
    (2.0, 2.0, 2.0)
    >>> mean, low, high = bootstrap_interval([1, 3], weights=[10, 10])
    >>> mean, low, high
    (0.2, 0.1, 0.3)
    """
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"An interval needs finite values, at least one; {values.size} "
            f"given, {int((~np.isfinite(values)).sum())} not finite."
        )

    def ratio(values, weights, axis=-1):
        return values.sum(axis=axis) / weights.sum(axis=axis)

    center = float(ratio(values, weights))
    if values.size == 1:  # nothing to draw from
        return center, center, center
    interval = stats.bootstrap(
        (values, weights),
        ratio,
        n_resamples=2000,
        batch=100,
        vectorized=True,
        paired=True,
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return center, float(interval.low), float(interval.high)


def has_score(figure, row):
    """Whether an utterance's row has a score for a figure; values may be text.

    Example
    -------
    >>> from speechbrain_gogo.metrics.speech_metric import Figure
    >>> figure = Figure("STOI", "stoi")
    >>> has_score(figure, {"stoi": "0.9"}), has_score(figure, {"stoi": "nan"})
    (True, False)
    """
    values = [row[name] for name in (figure.column, figure.per) if name]
    return not any(v in ("", None) or math.isnan(float(v)) for v in values)


def figure_interval(figure, rows, seed=0):
    """A figure of a test set, with the ends of its bootstrap interval.

    ``rows`` are the columns of each utterance, numbers or text; those that have
    a score for the :class:`Figure` count. Returns the figure, and the lower and
    upper end; NaN if no row has a score.

    Example
    -------
    >>> from speechbrain_gogo.metrics.speech_metric import Figure
    >>> rows = [{"errors": 1, "words": 10}, {"errors": "3", "words": "10"}]
    >>> figure_interval(Figure("WER (%)", "errors", "words", 100), rows)
    (20.0, 10.0, 30.0)
    """
    rows = [row for row in rows if has_score(figure, row)]
    if not rows:
        return math.nan, math.nan, math.nan
    values = [float(row[figure.column]) for row in rows]
    weights = figure.per and [float(row[figure.per]) for row in rows]
    ends = bootstrap_interval(values, weights, seed=seed)
    return tuple(figure.scale * end for end in ends)


def paired_difference(figure, rows, others, seed=0):
    """Difference of a figure between two systems, with its bootstrap interval.

    ``rows`` and ``others`` are of the same utterances in the same order; those
    for which both have a score count, NaN if there are none. Returns the first
    minus the other, and the lower and upper end.

    Example
    -------
    >>> from speechbrain_gogo.metrics.speech_metric import Figure
    >>> rows, others = [{"x": 1}, {"x": 9}], [{"x": 0}, {"x": 8}]
    >>> paired_difference(Figure("X", "x"), rows, others)
    (1.0, 1.0, 1.0)
    """
    column = figure.column
    pairs = [
        {**row, column: float(row[column]) - float(other[column])}
        for row, other in zip(rows, others, strict=True)
        if has_score(figure, row) and has_score(figure, other)
    ]
    return figure_interval(figure, pairs, seed)
