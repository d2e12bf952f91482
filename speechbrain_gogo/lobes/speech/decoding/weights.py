"""Weights of a decoding step: norms, and matrices, fused if they read the same input."""

import torch
from torch import nn
from torch.nn import functional as F


@torch.no_grad()
def fuse(modules):
    """The weights of linear layers that read the same input, as one matrix.

    The layers' own weights become rows of it, so that memory holds them once.
    Those of layers with LoRA are copied.

    Arguments
    ---------
    modules : sequence of torch.nn.Linear
        Without bias.

    Returns
    -------
    torch.Tensor
        Their rows, concatenated: [sum of outputs, inputs].

    Example
    -------
    >>> layers = nn.Linear(4, 2, bias=False), nn.Linear(4, 3, bias=False)
    >>> fused = fuse(layers)
    >>> _ = layers[1].weight.data.fill_(7)
    >>> fused.shape, fused[2:].unique().tolist()
    (torch.Size([5, 4]), [7.0])
    """
    weights = [applied_weight(module) for module in modules]
    first = weights[0]
    sizes = [len(weight) for weight in weights]
    if _adjacent(weights):
        shape = sum(sizes), first.shape[1]
        return first.detach().as_strided(shape, first.stride())
    fused = torch.cat([weight.detach() for weight in weights])
    if all(type(module) is nn.Linear for module in modules):
        for weight, rows in zip(weights, fused.split(sizes)):
            weight.data = rows
    return fused


@torch.no_grad()
def applied_weight(module):
    """The matrix that a linear layer applies, low-rank changes included.

    Arguments
    ---------
    module : torch.nn.Linear | peft.tuners.lora.Linear
        With LoRA that is not merged the sum is a new tensor.

    Returns
    -------
    torch.Tensor
    """
    weight = module.weight
    if not hasattr(module, "lora_A") or module.merged:
        return weight
    for name in module.active_adapters:
        weight = weight + module.get_delta_weight(name).to(weight.dtype)
    return weight


def _adjacent(weights):
    """Whether matrices are consecutive in the same memory."""
    place = weights[0].data_ptr()
    storage = weights[0].untyped_storage().data_ptr()
    for weight in weights:
        same = weight.untyped_storage().data_ptr() == storage
        if not same or weight.data_ptr() != place:
            return False
        place += weight.numel() * weight.element_size()
    return True


class Dense:
    """A weight matrix as a function of [..., D], exactly.

    Arguments
    ---------
    weight : torch.Tensor
        [D', D].

    Example
    -------
    >>> Dense(torch.ones(2, 3))(torch.ones(1, 3))
    tensor([[3., 3.]])
    """

    def __init__(self, weight):
        self.weight = weight.detach()

    def __call__(self, x):
        """x [..., D] -> [..., D']."""
        return F.linear(x, self.weight)


class Norm:
    """RMSNorm as a function of [..., D], with few operations.

    For a single vector on a CPU, all operations take about the same time, and
    those with a Python number twice as long.

    Arguments
    ---------
    weight : torch.Tensor
        [D].
    eps : float
        Added to the mean square.

    Example
    -------
    >>> x, weight = torch.randn(2, 8), torch.randn(8)
    >>> expected = F.rms_norm(x, (8,), weight, 1e-6)
    >>> bool((Norm(weight, 1e-6)(x) - expected).abs().max() < 1e-6)
    True
    """

    def __init__(self, weight, eps):
        self.weight = weight.detach()
        self.eps = torch.full_like(self.weight[:1], eps, dtype=torch.float32)
        self.share = 1 / len(weight)

    def __call__(self, x):
        """x [..., D] -> the same, computed in float32."""
        full = x.float()
        return (full * self.scale(full)).to(x) * self.weight

    def scale(self, full):
        """What float32 vectors [..., D] are multiplied by, [..., 1]."""
        total = (full * full).sum(-1, keepdim=True)
        return torch.add(self.eps, total, alpha=self.share).rsqrt_()
