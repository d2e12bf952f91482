"""Processes of judges, so that native code cannot end an evaluation.

Native code may end its process (pesq 0.0.4 did, on long speech), or never
return. A pool of the standard library is then broken as a whole. Here each
process has a pipe of its own: if it ends, or takes too long, the judge that was
running has no score for that utterance, and a new process continues with the
next judge.

Processes come from a server that has imported what all need. If a judge cannot
be pickled, or a script starts its evaluation while it is imported, they are
forks of this process.
"""

import logging
import os
import pickle
import threading
import time
from collections import deque
from multiprocessing import connection, get_context, parent_process
from multiprocessing.reduction import ForkingPickler

import torch

logger = logging.getLogger(__name__)

START = 120.0  # seconds for a case, also for the loading of what judges need
POLL = 1.0  # seconds between looks at the clock


def attempt(measure, *case):
    """Result of ``measure(*case)``, and why it failed; one of them is None.

    Example
    -------
    >>> attempt(max, [1, 2]), attempt(max, [])[1][:10]
    ((2, None), 'ValueError')
    """
    try:
        return measure(*case), None
    except (Exception, SystemExit) as error:
        return None, f"{type(error).__name__}: {error}"


def measure_in_workers(judges, judged, num_workers, patience):
    """Measure cases in processes of their own.

    ``judged`` yields (key, case, found so far). There are ``num_workers``
    processes, and as many cases are made ahead; 0 is one process, and none
    ahead. ``patience`` is in seconds for a second of audio. Yields, as cases
    are done, key, found so far, and (values, failure) of each judge.
    """
    # Workers read it when they start, before their first matrix product.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    workers = [_Worker(judges, patience) for _ in range(max(1, num_workers))]
    ready, more = deque(), True  # a case for each worker, made ahead
    try:
        while more or ready or any(worker.busy for worker in workers):
            for worker in workers:
                if ready and worker.idle:
                    worker.begin(*ready.popleft())
            # Without workers of its own, each case waits for the one before.
            waits = bool(ready) or any(worker.busy for worker in workers)
            full = waits and len(ready) >= num_workers
            if more and not full:
                case = next(judged, None)
                more = case is not None
                ready.extend([case] if more else [])
            for worker in _wait(workers, POLL if full or not more else 0):
                worker.proceed()
            for worker in workers:
                if worker.done:
                    yield worker.finish()
    finally:
        for worker in workers:
            worker.end()


def _wait(workers, seconds):
    """Workers that have sent something, or are late."""
    sent = connection.wait([worker.pipe for worker in workers], seconds)
    return [w for w in workers if w.pipe in sent or w.late]


class _Worker:
    """A process, and the case that it has."""

    def __init__(self, judges, patience):
        self.judges = judges
        self.patience = patience
        self.method = "forkserver" if _can_be_pickled(judges) else "fork"
        self.task = None  # key, case, found so far
        self.start()

    def start(self):
        """Start the process."""
        context = get_context(self.method)
        if self.method == "forkserver":
            context.set_forkserver_preload([__name__])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_run_judges, args=(self.judges, theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.started = False
        self.deadline = None

    @property
    def idle(self):
        return self.started and self.task is None

    @property
    def busy(self):
        return self.task is not None

    @property
    def done(self):
        return self.busy and len(self.verdicts) == len(self.judges)

    @property
    def late(self):
        return self.deadline is not None and time.monotonic() > self.deadline

    def begin(self, key, case, found):
        """Give it a case."""
        self.task, self.verdicts = (key, case, found), []
        self.send()

    def send(self):
        """Send the case to the next judge, and those after it."""
        case = self.task[1]
        rate = getattr(self.judges[0], "sample_rate", 16000)
        seconds = max(len(case[0]), len(case[1])) / rate
        wait = START + self.patience * seconds * len(self.judges)
        self.deadline = time.monotonic() + wait
        try:
            self.pipe.send((len(self.verdicts), case))
        except OSError:  # it was killed while it waited
            self.restart()

    def proceed(self):
        """Receive a result; if the process is late or has ended, replace it."""
        if self.late and not self.pipe.poll():
            self.fail(f"it took more than {self.patience:g} s per second")
            return
        try:
            verdict = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            self.fail(f"it ended its process ({self.process.exitcode})")
            return
        if not self.started:
            self.started = True
            if self.busy:
                self.send()
        else:
            self.verdicts.append(verdict)

    def fail(self, reason):
        """Record why the judge that was running has no score; start anew."""
        if not self.started and self.method == "fork":
            raise RuntimeError(f"No process for judges can start: {reason}.")
        if not self.started:
            logger.warning(
                "A process for judges could not import this script, which "
                "starts its evaluation while it is imported: it has no `if "
                "__name__ == '__main__':`. Judges get forks of this process."
            )
            self.method = "fork"
        elif self.busy:
            self.verdicts.append((None, reason))
        self.restart()

    def restart(self):
        """Start another process, which then continues the case."""
        self.end()
        self.start()

    def finish(self):
        """Key, results of the networks, and those of the judges."""
        (key, _, found), self.task = self.task, None
        self.deadline = None
        return key, found, self.verdicts

    def end(self):
        """End the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _can_be_pickled(judges):
    """Whether judges can be sent to another process."""
    try:
        ForkingPickler.dumps(judges)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _run_judges(judges, pipe):
    """Life of a worker process."""
    torch.set_num_threads(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    pipe.send("ready")
    while True:
        try:
            first, case = pipe.recv()
        except EOFError:
            return
        for judge in judges[first:]:
            pipe.send(attempt(judge.measure, *case))


def _exit_with_parent():
    """Exit when the parent process is killed."""
    parent_process().join()
    os._exit(1)
