"""Leaving the process group of torchrun.

A process that ends while threads of its group are running may abort,
occasionally on busy machines, so that a successful training appears as failed.
"""

import gc

import torch

# Default arguments of its functions are the process group that exists at the
# import. If DistributedDataParallel imports it later, that group is never freed.
import torch.distributed.nn


def leave_process_group():
    """End the threads of this process's group, if it is in one.

    Call it at the end, when no distributed model is referenced any more: such
    models hold the group.

    Example
    -------
    >>> leave_process_group()
    """
    if torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()
