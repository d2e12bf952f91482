"""Timing of synthesis: the real-time factor of Table 3.

All measurements of speed share this sentence, this clock and this average.
"""

import platform
import time
from pathlib import Path

import torch
from tqdm import tqdm

# 47 characters, as in Table 3: 3.1 s of speech at 15 characters per second.
SENTENCE = "She had your dark suit in greasy wash all year."


class Clock:
    """Measures seconds of computation on a device, by a number of CPU threads.

    On one CPU thread the clock is the CPU time of the process, which other
    processes on the core do not change.

    Example
    -------
    >>> clock = Clock("cpu", threads=1)
    >>> clock.now() <= clock.now()
    True
    """

    def __init__(self, device, threads):
        self.device = torch.device(device)
        self.cuda = self.device.type == "cuda"
        alone = not self.cuda and threads == 1
        self.name = "CPU time" if alone else "time"
        self.seconds = time.process_time if alone else time.perf_counter

    def now(self):
        """Seconds now, after all pending work of the device."""
        if self.cuda:
            torch.cuda.synchronize(self.device)
        return self.seconds()


def mean_seconds(call, trials, clock, name=None):
    """Average seconds of some calls of a function, after a warm-up call.

    The name is the label of a progress bar.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> calls = []
    >>> clock = SimpleNamespace(now=lambda: 3.0 * len(calls))
    >>> mean_seconds(lambda: calls.append(1), 4, clock), len(calls)
    (3.0, 5)
    """
    call()
    start = clock.now()
    for _ in tqdm(range(trials), desc=name, leave=False):
        call()
    return (clock.now() - start) / trials


def device_name(device):
    """The name of a GPU, or of the processor.

    Example
    -------
    >>> len(device_name("cpu")) > 0
    True
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.is_file() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
