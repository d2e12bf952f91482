"""How much a training reads per second of wall time."""

import time
from collections import Counter


class Throughput:
    """Seconds of audio and tokens of training batches, per second.

    Padding does not count, nor does the time of validations. Each process of a
    distributed run has as much as this one, about.

    Example
    -------
    >>> import torch
    >>> from speechbrain.dataio.batch import PaddedBatch
    >>> batch = PaddedBatch([{"sig": torch.zeros(n)} for n in (8000, 16000)])
    >>> throughput = Throughput()
    >>> throughput.add(batch, sample_rate=16000)
    >>> throughput.amounts["audio seconds"]
    1.5
    >>> list(throughput.read())
    ['audio seconds per second']
    """

    def __init__(self, processes=1):
        self.processes = processes
        self.amounts, self.seconds = Counter(), 0.0
        self.started = time.monotonic()  # None while the clock is stopped

    def add(self, batch, sample_rate=None):
        """Count a batch, before it is moved to a device.

        It has ``sig`` [B, T], of ``sample_rate`` in Hz, or ``tokens`` [B, N,
        K], or neither.
        """
        if sample_rate is not None and hasattr(batch, "sig"):
            wavs, lens = batch.sig
            samples = float(lens.sum()) * wavs.shape[1]
            self.amounts["audio seconds"] += samples / sample_rate
        if hasattr(batch, "tokens"):
            tokens, lens = batch.tokens
            groups = float(lens.sum()) * tokens.shape[1]
            self.amounts["tokens"] += groups * tokens[0, 0].numel()

    def pause(self):
        """Stop the clock, for a validation."""
        if self.started is not None:
            self.seconds += time.monotonic() - self.started
        self.started = None

    def resume(self):
        """Start the clock again."""
        self.started = time.monotonic()

    def read(self):
        """Amounts per second since the last call, a dict by name."""
        running = self.started is not None
        self.pause()
        found = {
            f"{name} per second": self.processes * amount / self.seconds
            for name, amount in self.amounts.items()
        }
        self.amounts, self.seconds = Counter(), 0.0
        if running:
            self.resume()
        return found
