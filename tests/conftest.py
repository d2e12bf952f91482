"""Options of pytest; fixtures are in the files that FIXTURES names."""

import gc
import os

# Before torch is imported: threads that spin while they wait make tests take
# many times as long on a busy machine, and each of several workers of
# pytest-xdist has a core to itself.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

FIXTURES = "tiny_gogo", "tiny_siblings", "tiny_judges"


def pytest_addoption(parser):
    """``--device cuda`` runs the tests that know a device there."""
    parser.addoption("--device", default="cpu")


def pytest_configure(config):
    """All others run on the CPU, as do the processes that they start.

    Workers wait for the process that hands them their tests: it imports no torch.
    """
    if config.getoption("--device") == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if getattr(config.option, "dist", "no") == "no":
        for name in FIXTURES:
            config.pluginmanager.import_plugin(name)


def pytest_collection_finish(session):
    """Have the server of processes.py ready, of which tests fork.

    There is one for all of a process: the judges' workers share it. Tests begin
    when all is imported.
    """
    from processes import start_server

    # A million objects of imported libraries, which stay: the collector need
    # not look at them again and again.
    gc.collect()
    gc.freeze()
    start_server()
