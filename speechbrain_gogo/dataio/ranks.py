"""Exchange of counts between the processes of a distributed run."""

import torch
from speechbrain.utils.distributed import is_distributed_initialized


def of_all_ranks(value):
    """The values of all ranks, on each of them; every rank has to call it.

    Arguments
    ---------
    value : object
        Value of this rank; it is pickled.

    Returns
    -------
    list
        In the order of the ranks; a single value without a distributed run.

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
    """Sum over all ranks by name; every rank has to call it.

    Arguments
    ---------
    sums : dict of str to number or torch.Tensor
        Sums of this rank; names may differ between ranks.

    Returns
    -------
    dict
        Tensors on the CPU.

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
