"""Leaving the processes that torchrun started together.

A process that ends while threads of its group are alive may abort instead, now
and then on busy machines: a training that succeeded is then a failed one.
"""

import gc

import torch

# Its functions have the group of the moment as their default. Imported once
# there is one (DistributedDataParallel does so), they hold it forever.
import torch.distributed.nn


def leave_process_group():
    """End the threads of this process' group, if it is in one.

    To be called at the very end, when nobody holds a model any more that was
    made parallel: these hold the group.

    Example
    -------
    >>> leave_process_group()
    """
    if torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()
