"""Recipes in processes of their own, without importing torch in each.

A server has torch, SpeechBrain and this package, and every process that a test
needs is a fork of it. It is itself a fork of the process that runs the tests, from
before the first one. The environment of a rank is that of torchrun, which itself
starts the ranks of a few tests: those are long.
"""

import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from unittest import mock

import pytest
import torch
from quick import make_quick
from torch.distributed.launcher import LaunchConfig, elastic_launch

REPOSITORY = Path(__file__).resolve().parent.parent
# What tests may not have imported by then.
PRELOADED = ("torch.distributed", "torch.optim", "matplotlib.pyplot")
PRELOADED += ("speechbrain", "speechbrain.utils.distributed")
PRELOADED += ("transformers", "transformers.models.llama.modeling_llama")
PRELOADED += ("speechbrain_gogo.inference", "speechbrain_gogo.brains.codec")
PRELOADED += ("speechbrain_gogo.metrics.workers", "inflect")
PRELOADED += ("pystoi", "resemblyzer", "speechmos.dnsmos")
SERVER = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(list(PRELOADED))


class Forked(BaseException):
    """In the fork that is to be the server: its command, and its open files."""


def start_server():
    """Start the server, unless it is running; it imports in the background."""
    resource_tracker.ensure_running()
    try:
        with mock.patch.object(util, "spawnv_passfds", fork_server):
            forkserver.ensure_running()
    except Forked as server:
        serve(*server.args)


def fork_server(_, command, files):
    """Fork, where the library starts a Python that would import all anew."""
    pid = os.fork()
    if pid:
        return pid
    # The library closes what it has opened when this leaves it.
    raise Forked(command[-1], {number: os.dup(number) for number in files})


def serve(command, files):
    """Run the server's Python command with copies of its open files."""
    try:
        for number, copy in files.items():
            os.dup2(copy, number)
            os.close(copy)
        # Not those in which pytest catches what this process prints.
        sys.stdout, sys.stderr = (
            os.fdopen(number, "w", 1, closefd=False) for number in (1, 2)
        )
        os.environ.update(SERVER)
        torch.set_num_threads(1)
        exec(command, {})
    finally:
        os._exit(0)


def start_process(script, arguments, output, environment=None):
    """Start a script in a process of its own, in the script's folder.

    Arguments
    ---------
    script : Path
        It finds the files beside it.
    arguments : list
        Its command line.
    output : Path
        A file for what it prints.
    environment : dict
        Changes of the environment.

    Returns
    -------
    multiprocessing.Process
    """
    start_server()
    given = str(script), list(map(str, arguments)), str(output), environment
    process = forks.Process(target=run_script, args=given)
    process.start()
    return process


def run_ranks(script, arguments, output, num_ranks=2, timeout=600):
    """Run a recipe by several ranks, as torchrun does on one machine.

    All end when one of them fails.

    Arguments
    ---------
    script : Path
        The recipe; it finds the files beside it, and runs in its folder.
    arguments : list
        Its command line.
    output : Path
        A file for what all ranks print.
    num_ranks : int
        Processes.
    timeout : float
        In seconds.

    Raises
    ------
    AssertionError
        If a rank fails or takes too long, with what was printed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(num_ranks))
    ranks = [
        start_process(
            script,
            arguments,
            output,
            {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(num_ranks)
    ]
    end = time.monotonic() + timeout
    while any(rank.exitcode is None for rank in ranks):
        if time.monotonic() > end or any(rank.exitcode for rank in ranks):
            break
        ranks[0].join(0.05)
        time.sleep(0.05)
    codes = [rank.exitcode for rank in ranks]
    for rank in ranks:
        rank.kill()
        rank.join()
    assert codes == [0] * num_ranks, Path(output).read_text()


def run_torchrun(script, arguments, output, max_restarts=0, timeout=600):
    """The same by two ranks of torchrun, which imports everything anew."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node=2", f"--max_restarts={max_restarts}"]
    python_path = f"{REPOSITORY}:{os.environ.get('PYTHONPATH', '')}"
    with open(output, "a") as file:
        done = subprocess.run(
            list(map(str, [*command, script, *arguments])),
            cwd=Path(script).parent,
            env={**os.environ, **SERVER, "PYTHONPATH": python_path},
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=timeout,
        )
    assert done.returncode == 0, Path(output).read_text()


def run_elastic(script, arguments, output, max_restarts=0):
    """The same by torchrun's agent in this process: it restarts forks."""
    start_server()
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id=Path(output).parent.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=max_restarts,
        start_method="forkserver",
    )
    given = str(script), list(map(str, arguments)), str(output)
    handled = config.signals_to_handle.split(",")
    before = {name: signal.getsignal(signal.Signals[name]) for name in handled}
    elastic_launch(config, run_script)(*given)
    for name, handler in before.items():
        signal.signal(signal.Signals[name], handler)


def kill_with(path, process, output):
    """Kill a process when it has written a file; tells the file's time."""
    while not path.is_file() and process.exitcode is None:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert path.is_file(), Path(output).read_text()
    return path.stat().st_mtime_ns


def run_script(script, arguments, output, environment=None):
    """In such a process: as ``python script arguments`` would run it."""
    file = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.environ.update(environment or {})
    multiprocessing.set_start_method(None, force=True)  # the usual one again
    make_quick(pytest.MonkeyPatch())
    os.chdir(Path(script).parent)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")
