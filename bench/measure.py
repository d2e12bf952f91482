"""One measurement of the benchmark, in a process of its own.

A new process has no memory and caches of other measurements. It loads one codec,
warms up on a second of audio, and prints the time and the growth of memory of one
call as a line of JSON. codec.py starts it.
"""

import ctypes
import json
import sys
from pathlib import Path

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from parts.bench_systems import SYSTEMS
from parts.decoding_pass import measure_pass

from speechbrain_gogo.metrics.timing import Clock

MEGABYTE = 1e6


class Meter(Clock):
    """Clock and memory of a device."""

    def rest(self):
        """Reset the peak; returns the megabytes in use."""
        if self.cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
            return torch.cuda.memory_allocated(self.device) / MEGABYTE
        # Freed memory that the allocator still holds would hide growth.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        return _status("VmRSS")

    def peak(self):
        """Largest number of megabytes in use since :meth:`rest`."""
        if self.cuda:
            return torch.cuda.max_memory_allocated(self.device) / MEGABYTE
        return _status("VmHWM")


class PassClock:
    """Counts the time that a flow spends in its backbone's passes."""

    def __init__(self, backbone, meter):
        self.seconds = 0.0
        self.velocity = backbone.velocity
        self.meter = meter
        backbone.velocity = self.timed

    def timed(self, *args, **kwargs):
        """The backbone's pass, on the clock."""
        start = self.meter.now()
        out = self.velocity(*args, **kwargs)
        self.seconds += self.meter.now() - start
        return out


@torch.inference_mode()
def measure(system, operation, seconds, meter, steps=None):
    """Time and memory of one call of a loaded codec.

    If ``steps`` is given, only so many flow steps are computed, and the time of
    all is extrapolated. Gives "spent" seconds, megabytes at "rest", and
    "growth" beyond them.
    """
    run = getattr(system, operation)
    inputs = system.audio if operation == "encode" else system.codes
    system.num_steps = 1
    run(inputs(1))
    given = inputs(seconds)
    if steps and system.codec.codec.flow.num_steps == 1:
        steps = None  # there are no others
    system.num_steps = steps
    if steps:
        flow = system.codec.codec.flow
        passes = PassClock(flow.backbone, meter)

    rest = meter.rest()
    start = meter.now()
    run(given)
    spent = meter.now() - start
    growth = meter.peak() - rest
    if steps:
        spent += passes.seconds * (flow.num_steps / steps - 1)
    return {"spent": spent, "rest": rest, "growth": growth}


def main(job):
    """Run a job, see codec.py, and return the results."""
    torch.manual_seed(0)
    torch.set_num_threads(job["threads"])
    meter = Meter(job["device"], job["threads"])
    system = SYSTEMS[job["system"]](Path(job["folder"]), job["device"])
    if job["operation"] == "pass":
        return measure_pass(system.codec, meter)
    parameters = sum(p.numel() for p in system.networks.parameters())
    found = measure(
        system, job["operation"], job["seconds"], meter, job["steps"]
    )
    return {
        "sample_rate": system.sample_rate,
        "parameters": parameters,
        **found,
    }


def _status(field):
    """A line of /proc/self/status that is in kB, in megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise ValueError(f"/proc/self/status has no {field}: this needs Linux.")


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
