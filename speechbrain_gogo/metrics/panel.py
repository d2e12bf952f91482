"""A panel of judges: several metrics on each utterance, in several processes.

Judges that compute on one thread (pocketsphinx, PESQ) dominate an offline
evaluation: utterances are spread over processes, which also keeps the evaluation
alive whatever native code does (see ``workers.py``). Judges that are networks
take batches in this process, where their device is. Recipes define
the cases and use the rows.
"""

import logging
import math
from itertools import islice

from speechbrain_gogo.metrics.workers import attempt, measure_in_workers

logger = logging.getLogger(__name__)

UNSCORED = "unscored"  # the column that says which judge gave no score, and why


def judge_utterances(judges, cases, num_workers=0, batch_size=1, patience=20.0):
    """Measure utterances with every judge.

    Cases are read when workers become free: memory does not grow with their
    number, and generating a case overlaps with measuring others. A
    judge that fails, ends its process or takes too long costs its own columns
    of that utterance: these are NaN, and ``unscored`` says why.

    Arguments
    ---------
    judges : list
        Metrics with a ``measure`` method, or with ``measure_batch``.
    cases : iterable
        Tuples of (key, predict, target, transcript), the signals as arrays [T].
    num_workers : int
        Processes, of one thread each, for judges that take one utterance at
        a time. 0 is one process, and no case is made ahead.
    batch_size : int
        Utterances that go to the other judges at once.
    patience : float
        Seconds that a judge may take for a second of audio, beside two
        minutes for each case.

    Yields
    ------
    tuple
        A key and the dict of all judges' columns, in order of completion;
        with "unscored" where a judge gave no score.

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
    """Key and case of each, and what each of the networks says of it."""
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
    """What a network says of utterances, which it gets alone if it fails."""
    values, failure = attempt(judge.measure_batch, *columns)
    if failure is None and len(values) == size:
        return [(row, None) for row in values]
    found = []
    for case in zip(*columns):
        values, failure = attempt(judge.measure_batch, *([x] for x in case))
        found.append((values[0] if failure is None else None, failure))
    return found


def _merge(key, verdicts):
    """One row of what judges said, (values, failure) each."""
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
