"""Recipes in processes of their own, without importing torch in each.

A server imports torch, the host and this package once, and every process that
a test needs is a fork of it. The environment of a rank is that of torchrun,
which itself starts the ranks of test_tokenize_recipe.py and
test_cli_tokenize.py.
"""

import multiprocessing
import os
import runpy
import socket
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import pytest
from quick import make_quick

REPOSITORY = Path(__file__).resolve().parent.parent
PRELOADED = ("torch.distributed", "torch.optim", "matplotlib.pyplot")
PRELOADED += ("speechbrain", "speechbrain.utils.distributed")
PRELOADED += ("transformers", "transformers.models.llama.modeling_llama")
PRELOADED += ("speechbrain_gogo.inference", "speechbrain_gogo.brains.codec")
PRELOADED += ("speechbrain_gogo.metrics.workers",)
SERVER = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(list(PRELOADED))


def start_server():
    """Start the server, unless it is running; it imports in the background."""
    with mock.patch.dict(os.environ, SERVER):
        forkserver.ensure_running()


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
    start_server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(num_ranks))
    ranks = []
    for rank in map(str, range(num_ranks)):
        environment = {**shared, "RANK": rank, "LOCAL_RANK": rank}
        given = str(script), list(map(str, arguments)), str(output), environment
        ranks.append(forks.Process(target=_run, args=given))
    for rank in ranks:
        rank.start()
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


def _run(script, arguments, output, environment):
    """A rank: the script as ``python script arguments`` would run it."""
    file = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.environ.update(environment)
    multiprocessing.set_start_method(None, force=True)  # the usual one again
    make_quick(pytest.MonkeyPatch())
    os.chdir(Path(script).parent)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")
