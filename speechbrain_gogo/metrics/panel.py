"""A panel of judges: several metrics on each utterance, in several processes.

Judges that compute on one thread (pocketsphinx, PESQ) dominate an offline
evaluation: utterances are spread over processes. Judges that are networks
take batches in this process, where their device is. What is evaluated, and
what becomes of the rows, is the recipes' business.
"""

import os
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context, parent_process

import torch

_judges = None  # of this worker process


def judge_utterances(judges, cases, num_workers=0, batch_size=1):
    """Measure utterances with every judge.

    Cases are taken as workers come free, so memory does not grow with their
    number, and the making of a case overlaps with the judging of others.

    Arguments
    ---------
    judges : list
        Metrics with a ``measure`` method, or with ``measure_batch``.
    cases : iterable
        Of (key, predict, target, transcript), the signals as arrays [T].
    num_workers : int
        Processes, of one thread each, for judges that take one utterance at
        a time; 0 judges in this one.
    batch_size : int
        Utterances that go to the other judges at once.

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
    networks = [judge for judge in judges if hasattr(judge, "measure_batch")]
    others = [judge for judge in judges if judge not in networks]
    judged = _judge_batches(networks, iter(cases), batch_size)
    if num_workers == 0 or not others:
        for key, case, row in judged:
            yield key, {**row, **_measure(others, key, case)}
        return
    # Workers read it when they start, before their first matrix product.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(
        num_workers, get_context("spawn"), _take_seat, (others,)
    ) as pool:
        pending = {}  # future -> key, what the networks said
        for key, case, row in judged:
            pending[pool.submit(_measure_in_worker, key, case)] = key, row
            if len(pending) > 2 * num_workers:
                yield from _finished(pending)
        while pending:
            yield from _finished(pending)


def _judge_batches(networks, cases, batch_size):
    """Key, case and row of each case, by the judges that take batches."""
    size = batch_size if networks else 1
    while batch := list(islice(cases, size)):
        rows = [{} for _ in batch]
        keys = ", ".join(str(key) for key, *_ in batch)
        for judge in networks:
            columns = list(zip(*(case for _, *case in batch)))
            found = _attempt(judge, judge.measure_batch, keys, *columns)
            for row, values in zip(rows, found):
                row.update(values)
        for (key, *case), row in zip(batch, rows):
            yield key, case, row


def _finished(pending):
    """Wait for at least one future; yield and forget what is done."""
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        key, row = pending.pop(future)
        yield key, {**row, **future.result()}


def _measure(judges, key, case):
    """All columns for one case, by judges that take one."""
    row = {}
    for judge in judges:
        row.update(_attempt(judge, judge.measure, key, *case))
    return row


def _attempt(judge, measure, keys, *case):
    """What a judge says, or an error that tells who failed on what."""
    try:
        return measure(*case)
    except Exception as error:
        raise RuntimeError(
            f"{type(judge).__name__} failed on {keys}: {error}"
        ) from error


def _take_seat(judges):
    """Start of a worker process."""
    global _judges
    _judges = judges
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with_owner, daemon=True).start()


def _leave_with_owner():
    """End the process when the one that started it is killed.

    Its queue would stay open, and the worker wait for work for ever.
    """
    parent_process().join()
    os._exit(1)


def _measure_in_worker(key, case):
    return _measure(_judges, key, case)
