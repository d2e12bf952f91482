"""Exchange of counts between the processes of a distributed run."""

import torch
from speechbrain.utils.distributed import is_distributed_initialized


def of_all_ranks(value):
    """The values of all ranks, on each of them; every rank has to call it.

    Example
    -------
    >>> of_all_ranks({"clips": 3})
    [{'clips': 3}]
    """
    if not is_distributed_initialized():
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def sum_over_ranks(sums):
    """Sums of numbers or tensors over all ranks, by name, on the CPU.

    Every rank has to call it; names may differ between ranks.

    Example
    -------
    >>> sum_over_ranks({"loss": 0.5, "count": 2})
    {'loss': 0.5, 'count': 2}
    """
    local = {
        name: value.cpu() if torch.is_tensor(value) else value
        for name, value in sums.items()
    }
    total = {}
    for part in of_all_ranks(local):
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total
