"""Weights of a decoding step: matrices fused, or in 8 bits, and norms."""

import warnings

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
    plain = all(
        type(module) is nn.Linear and not parametrize.is_parametrized(module)
        for module in modules
    )
    if plain:
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

    On a CPU each operation on a single vector takes as long as the next, and
    one with a Python number twice as long.

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
        total = (full * full).sum(-1, keepdim=True)
        scale = torch.add(self.eps, total, alpha=self.share).rsqrt_()
        return (full * scale).to(x) * self.weight


class Int8:
    """A weight matrix as a function of [..., D], in 8 bits.

    Each row has its own scale; inputs are rounded to 8 bits relative to their
    largest value. It reads a quarter of the bytes.

    Arguments
    ---------
    weight : torch.Tensor
        [D', D], on a CPU.

    Raises
    ------
    ValueError
        If the weight is not on a CPU, or torch was built without kernels for
        8 bits.

    Example
    -------
    >>> weight, x = torch.randn(8, 64), torch.randn(3, 64)
    >>> error = Int8(weight)(x) - x @ weight.T
    >>> bool(error.std() < 0.05 * (x @ weight.T).std())
    True
    """

    def __init__(self, weight):
        engines = torch.backends.quantized.supported_engines
        usable = [name for name in ("x86", "fbgemm") if name in engines]
        if weight.device.type != "cpu" or not usable:
            raise ValueError(
                f"8 bits need a CPU and a torch with kernels for them; the "
                f"weights are on {weight.device}, this torch has {engines}."
            )
        torch.backends.quantized.engine = usable[0]
        weight = weight.detach().float()
        scale = weight.abs().amax(1).clamp(min=1e-12) / 127
        zero = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():  # deprecated, without a successor
            warnings.simplefilter("ignore", UserWarning)
            rounded = torch.quantize_per_channel(
                weight, scale, zero, 0, torch.qint8
            )
        self.packed = torch.ops.quantized.linear_prepack(rounded, None)

    def __call__(self, x):
        """x float32 [..., D] -> [..., D']."""
        return torch.ops.quantized.linear_dynamic(x, self.packed, True)
