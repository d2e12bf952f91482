"""A panel of judges: several metrics on each utterance, in several processes.

Recognition dominates an evaluation and runs on one thread, so utterances are
spread over processes. What is evaluated, and what becomes of the rows, is the
recipes' business.
"""

import os
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context

import torch

_judges = None  # of this worker process


def judge_utterances(judges, cases, num_workers=0):
    """Measure utterances with every judge.

    Cases are taken as workers come free, so memory does not grow with their
    number, and the making of a case overlaps with the judging of others.

    Arguments
    ---------
    judges : list
        Metrics with a ``measure`` method.
    cases : iterable
        Of (key, predict, target, transcript), the signals as arrays [T].
    num_workers : int
        Processes, of one thread each; 0 judges in this one.

    Yields
    ------
    tuple
        A key and the dict of all judges' columns, in order of completion.

    Example
    -------
    >>> class Length:
    ...     def measure(self, predict, target, transcript):
    ...         return {"length": len(predict)}
    >>> list(judge_utterances([Length()], [("a", [0.5], [0.5], "hm")]))
    [('a', {'length': 1})]
    """
    if num_workers == 0:
        for key, *case in cases:
            yield key, _measure(judges, key, case)
        return
    # Workers read it when they start, before their first matrix product.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(
        num_workers, get_context("spawn"), _take_seat, (judges,)
    ) as pool:
        keys = {}  # future -> key
        for key, *case in cases:
            keys[pool.submit(_measure_in_worker, key, case)] = key
            if len(keys) > 2 * num_workers:
                yield from _finished(keys)
        while keys:
            yield from _finished(keys)


def _finished(keys):
    """Wait for at least one future; yield and forget what is done."""
    done, _ = wait(keys, return_when=FIRST_COMPLETED)
    for future in done:
        yield keys.pop(future), future.result()


def _measure(judges, key, case):
    """All judges' columns for one case."""
    row = {}
    for judge in judges:
        try:
            row.update(judge.measure(*case))
        except Exception as error:
            raise RuntimeError(
                f"{type(judge).__name__} failed on {key}: {error}"
            ) from error
    return row


def _take_seat(judges):
    """Start of a worker process."""
    global _judges
    _judges = judges
    torch.set_num_threads(1)


def _measure_in_worker(key, case):
    return _measure(_judges, key, case)
