"""Threads of a process group end with it; remaining ones could abort the process."""

import sys

import pytest
import torch
from processes import start_process

SCRIPT = """
from pathlib import Path
import torch
from speechbrain_gogo.brains.process_group import leave_process_group

def threads():
    return [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]

torch.distributed.init_process_group(
    "gloo", init_method="file://{store}", rank=0, world_size=1
)
model = torch.nn.Linear(2, 2)
model = torch.nn.parallel.DistributedDataParallel(model)
model.itself = model  # as Brains do: only the garbage collector frees them
model(torch.ones(1, 2)).sum().backward()
assert any("gloo" in name for name in threads()), threads()
del model
leave_process_group()
assert not any("gloo" in name for name in threads()), threads()
assert not torch.distributed.is_initialized()
leave_process_group()
"""


@pytest.mark.skipif(
    not (sys.platform == "linux" and torch.distributed.is_gloo_available()),
    reason="threads are counted where Linux shows them, and gloo has them",
)
def test_threads_end_with_the_process_group(tmp_path):
    script, printed = tmp_path / "script.py", tmp_path / "printed.txt"
    script.write_text(SCRIPT.format(store=tmp_path / "store"))
    process = start_process(script, [], printed)
    process.join(300)
    assert process.exitcode == 0, printed.read_text()
