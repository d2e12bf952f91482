"""Queue of jobs, of bounded length, computed in order by worker threads.

The event loop admits requests and reads the results of jobs; the workers
compute. Except for ``Job.run``, everything here is called by the event loop
only.
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
    """The queue is full; retry in some seconds."""

    def __init__(self, retry_after):
        super().__init__("busy")
        self.retry_after = retry_after


class CancelledJobError(Exception):
    """A job was cancelled before it ended."""


class JobQueue:
    """Admits requests and runs their jobs, first come first served.

    ``workers`` jobs run at the same time, in a thread each. ``waiting`` further
    requests are admitted: they may be waiting for a worker, sending their body,
    or reading their response.
    """

    def __init__(self, workers=1, waiting=16):
        self.workers = workers
        self.most = workers + waiting
        self.open = 0
        self.seconds = 1.0  # of a job, a moving average
        self._pool = ThreadPoolExecutor(workers, "gogo-job")

    @contextlib.contextmanager
    def admit(self):
        """Hold a place in the queue until the request ends.

        Yields the Ticket that starts the request's job, which is cancelled at
        the end. Raises a BusyError if the queue is full.
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
        """Wait for running jobs; waiting ones never start."""
        self._pool.shutdown(cancel_futures=True)


class Ticket:
    """A place of a request in a queue."""

    def __init__(self, queue):
        self.queue = queue
        self._job = self._watcher = None

    def start(self, work, receive):
        """Start the request's job, a :class:`Job`.

        ``work`` is a function of the job that returns an iterable, which a
        worker reads. ``receive`` is ASGI's function, after the request's body:
        when the client disconnects, the job is cancelled.
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
    """Asynchronous iterator of the results of a worker of a queue.

    ``work`` is a function of the job that returns an iterable. It may add to
    ``headers`` of the response, and should end soon after the event ``stopped``
    is set.
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
        """The same pieces; raises a CancelledJobError once it is cancelled."""
        for piece in pieces:
            if self.stopped.is_set():
                raise CancelledJobError
            yield piece

    def cancel(self):
        """End the job as soon as possible; its reader gets a CancelledJobError."""
        self.stopped.set()
        if self._future.cancel():
            self._made.put_nowait(CancelledJobError())

    def run(self):
        """Compute all results; called by a worker."""
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
