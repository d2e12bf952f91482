"""Work of requests: a bounded number of them, in worker threads, in order.

The event loop admits requests and reads what jobs make; the workers compute.
Apart from ``Job.run`` everything here is called by the event loop alone.
"""

import asyncio
import contextlib
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

LONGEST_WAIT = 60  # seconds that a client is told to wait at most
END = object()


class BusyError(Exception):
    """As many requests as are admitted are open; retry in some seconds."""

    def __init__(self, retry_after):
        super().__init__("busy")
        self.retry_after = retry_after


class CancelledJobError(Exception):
    """A job was cancelled before it ended."""


class JobQueue:
    """Admits requests and runs their jobs, first come first served.

    Arguments
    ---------
    workers : int
        Jobs that run at the same time, a thread each.
    waiting : int
        Further requests that are admitted. They may be waiting for a worker,
        sending their body, or reading their response.
    """

    def __init__(self, workers=1, waiting=16):
        self.workers = workers
        self.most = workers + waiting
        self.open = 0
        self.seconds = 1.0  # of a job, a moving average
        self._pool = ThreadPoolExecutor(workers, "gogo-job")

    @contextlib.contextmanager
    def admit(self):
        """A place for a request, until the request is over.

        Yields
        ------
        Ticket
            Starts the request's job, which is cancelled at the end.

        Raises
        ------
        BusyError
            If there is no place.
        """
        if self.open >= self.most:
            wait = math.ceil(self.seconds / self.workers)
            raise BusyError(min(max(1, wait), LONGEST_WAIT))
        self.open += 1
        ticket = Ticket(self)
        try:
            yield ticket
        finally:
            ticket.cancel()
            self.open -= 1

    def submit(self, job):
        """Run a job when a worker is free."""
        return self._pool.submit(job.run)

    def close(self):
        """Wait for the jobs that run; those that wait never start."""
        self._pool.shutdown(cancel_futures=True)


class Ticket:
    """A place of a request in a queue."""

    def __init__(self, queue):
        self.queue = queue
        self._job = self._watcher = None

    def start(self, work, receive):
        """Start the request's job.

        Arguments
        ---------
        work : callable
            Takes the job and gives an iterable, which a worker reads.
        receive : callable
            ASGI's, after the request's body: when the client has gone, the
            job is cancelled.

        Returns
        -------
        Job
        """
        self._job = Job(self.queue, work)
        self._watcher = asyncio.create_task(self._watch(receive))
        return self._job

    def cancel(self):
        """Cancel the job, if there is one and it has not ended."""
        if self._job is not None:
            self._job.cancel()
            self._watcher.cancel()

    async def _watch(self, receive):
        while (await receive())["type"] != "http.disconnect":
            pass
        self._job.cancel()


class Job:
    """What a worker makes, piece by piece: an asynchronous iterator.

    Arguments
    ---------
    queue : JobQueue
        Queue whose worker does the job.
    work : callable
        Takes the job and gives an iterable. It may add to ``headers``, which
        are those of the response, and is to end soon when ``stopped``, an
        event, is set.
    """

    def __init__(self, queue, work):
        self.headers = {}
        self.stopped = threading.Event()
        self._queue, self._work = queue, work
        self._loop, self._made = asyncio.get_running_loop(), asyncio.Queue()
        self._future = queue.submit(self)

    def __aiter__(self):
        return self

    async def __anext__(self):
        found = await self._made.get()
        if found is END:
            raise StopAsyncIteration
        if isinstance(found, Exception):
            raise found
        return found

    def until_stopped(self, pieces):
        """The same pieces; a CancelledJobError between two once it is cancelled."""
        for piece in pieces:
            if self.stopped.is_set():
                raise CancelledJobError
            yield piece

    def cancel(self):
        """End it as soon as possible; its reader gets a CancelledJobError."""
        self.stopped.set()
        if self._future.cancel():
            self._made.put_nowait(CancelledJobError())

    def run(self):
        """Make everything; called by a worker."""
        started = time.perf_counter()
        try:
            for made in self.until_stopped(self._work(self)):
                self._put(made)
            self._put(END)
        except Exception as error:
            self._put(CancelledJobError() if self.stopped.is_set() else error)
        spent = time.perf_counter() - started
        self._queue.seconds += 0.2 * (spent - self._queue.seconds)

    def _put(self, made):
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(self._made.put_nowait, made)
