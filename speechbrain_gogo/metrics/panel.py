"""A panel of judges: several metrics on each utterance, in several processes.

Single-threaded judges (pocketsphinx, PESQ) dominate an offline evaluation, so
utterances are distributed over processes, which also protects the evaluation
from crashes of native code (see ``workers.py``). Judges that are networks
measure batches in this process, on their device. Recipes define the cases and
use the rows.
"""

import logging
import math
from itertools import islice

from speechbrain_gogo.metrics.workers import attempt, measure_in_workers

logger = logging.getLogger(__name__)

UNSCORED = "unscored"  # column with the judges without a score, and the reasons


def judge_utterances(judges, cases, num_workers=0, batch_size=1, patience=20.0):
    """Measure utterances with every judge.

    ``judges`` have a method ``measure``, or are networks with
    ``measure_batch``, which get ``batch_size`` utterances at a time. ``cases``
    yields tuples of (key, predict, target, transcript), the signals as arrays
    [T]. They are read when workers become free, so memory does not grow with
    their number, and generating a case overlaps with measuring others.

    ``num_workers`` is the number of processes, with one thread each, for judges
    of single utterances; 0 is one process, without generating cases in advance.
    ``patience`` is the time limit of a judge in seconds per second of audio, in
    addition to two minutes per case.

    Yields a key and the dict of all judges' columns, in order of completion. If
    a judge fails, crashes or takes too long, its columns of that utterance are
    NaN, and "unscored" has the reason.

    Example
    -------
    >>> class Length:
    ...     def measure(self, predict, target, transcript):
    ...         return {"length": len(predict)}
    >>> list(judge_utterances([Length()], [("a", [0.5], [0.5], "hm")]))
    [('a', {'length': 1})]
    """
    networks = [judge for judge in judges if hasattr(judge, "measure_batch")]
    others = [judge for judge in judges if judge not in networks]
    judged = _judge_batches(networks, iter(cases), batch_size)
    measured = ((key, found, []) for key, _, found in judged)
    if others:
        measured = measure_in_workers(others, judged, num_workers, patience)
    for key, by_networks, by_others in measured:
        verdicts = zip([*networks, *others], [*by_networks, *by_others])
        yield key, _merge(key, verdicts)


def _judge_batches(networks, cases, batch_size):
    """Key, case and results of the networks for each utterance."""
    size = batch_size if networks else 1
    while batch := list(islice(cases, size)):
        columns = list(zip(*(case for _, *case in batch)))
        verdicts = [
            _attempt_batch(judge, columns, len(batch)) for judge in networks
        ]
        of_cases = zip(*verdicts) if networks else [()] * len(batch)
        for (key, *case), found in zip(batch, of_cases):
            yield key, case, list(found)


def _attempt_batch(judge, columns, size):
    """Results of a network for utterances, one by one if the batch fails."""
    values, failure = attempt(judge.measure_batch, *columns)
    if failure is None and len(values) == size:
        return [(row, None) for row in values]
    found = []
    for case in zip(*columns):
        values, failure = attempt(judge.measure_batch, *([x] for x in case))
        found.append((values[0] if failure is None else None, failure))
    return found


def _merge(key, verdicts):
    """One row from the judges' results, (values, failure) each."""
    row, reasons = {}, []
    for judge, (values, failure) in verdicts:
        name = type(judge).__name__
        if failure is None:
            row.update(values)
            if any(v != v for v in values.values()):  # NaN
                reasons.append(f"{name}: no score")
            continue
        logger.warning("%s gave no score for %s: %s", name, key, failure)
        columns = getattr(judge, "columns", ())
        row.update(getattr(judge, "no_score", dict.fromkeys(columns, math.nan)))
        reasons.append(f"{name}: {failure}")
    return {**row, UNSCORED: "; ".join(reasons)} if reasons else row
