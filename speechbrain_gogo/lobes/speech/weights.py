"""Weight matrices as a decoding step applies them: fused, or of 8 bits."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize


@torch.no_grad()
def fuse(modules):
    """The weights of linear layers that read the same input, as one matrix.

    The layers' own weights become rows of it, so that memory holds them once.
    Layers that compute their weights (LoRA, parametrizations) are copied.

    Arguments
    ---------
    modules : sequence of torch.nn.Linear
        Without bias.

    Returns
    -------
    torch.Tensor
        Their rows [sum of outputs, inputs], one below the other.

    Example
    -------
    >>> layers = nn.Linear(4, 2, bias=False), nn.Linear(4, 3, bias=False)
    >>> fused = fuse(layers)
    >>> _ = layers[1].weight.data.fill_(7)
    >>> fused.shape, fused[2:].unique().tolist()
    (torch.Size([5, 4]), [7.0])
    """
    weights = [module.weight for module in modules]
    first = weights[0]
    sizes = [len(weight) for weight in weights]
    if _adjacent(weights):
        shape = sum(sizes), first.shape[1]
        return first.detach().as_strided(shape, first.stride())
    fused = torch.cat([weight.detach() for weight in weights])
    plain = all(
        type(module) is nn.Linear and not parametrize.is_parametrized(module)
        for module in modules
    )
    if plain:
        for weight, rows in zip(weights, fused.split(sizes)):
            weight.data = rows
    return fused


def _adjacent(weights):
    """Whether matrices lie one after the other in the same memory."""
    place = weights[0].data_ptr()
    storage = weights[0].untyped_storage().data_ptr()
    for weight in weights:
        same = weight.untyped_storage().data_ptr() == storage
        if not same or weight.data_ptr() != place:
            return False
        place += weight.numel() * weight.element_size()
    return True


def dense(weight):
    """A weight matrix [D', D] as a function of [..., D], exactly."""
    weight = weight.detach()
    return lambda x: F.linear(x, weight)
