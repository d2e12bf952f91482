"""Checkpoints that count only once they are whole.

The host's Checkpointer writes the meta file, by which it knows a checkpoint,
before the weights: a run that is killed while it saves, or fills the disk,
leaves one that looks the newest and cannot be loaded. Here a checkpoint is
written aside and renamed when it is complete. What is in it stays the host's.
"""

import logging
import shutil

from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.distributed import (
    ddp_barrier,
    if_main_process,
    infer_device,
)
