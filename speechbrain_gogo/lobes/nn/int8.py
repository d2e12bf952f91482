"""Linear layers in 8 bits, for inference on a CPU.

A matrix is rounded to 8 bits with a scale for each row, its inputs with a scale
for each vector. Sums of their products are exact integers, so that a vector's
result is the same in every batch and window.
"""

import warnings

import torch
from torch import nn

# Inputs, divided by their largest magnitude, become 0 to 254 with 127 for zero.
# Kernels for AVX2 add two products in 16 bits: 2 * 254 * 127 would overflow, so
# weights are -63 to 63. Inputs, which have more outliers, keep all 8 bits.
STEP, ZERO, WEIGHT_LIMIT = 1 / 127, 127, 63
LINEAR = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
# Without a search of the arguments for those of torch.export, which takes a
# good part of a call with few vectors.
LINEAR = getattr(LINEAR.default, "_op", LINEAR)


def int8_engine():
    """Name of the kernels of this torch for 8 bits; None if it has none."""
    engines = torch.backends.quantized.supported_engines
    return next((name for name in ("x86", "fbgemm") if name in engines), None)


class Int8:
    """A weight matrix as a function of [..., D], in 8 bits.

    It reads a quarter of the bytes.

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
    >>> linear = Int8(weight)
    >>> error = linear(x) - x @ weight.T
    >>> bool(error.std() < 0.05 * (x @ weight.T).std())
    True
    >>> torch.equal(linear(x)[:1], linear(x[:1]))
    True
    """

    def __init__(self, weight):
        engine = int8_engine()
        if weight.device.type != "cpu" or engine is None:
            raise ValueError(
                f"8 bits need a CPU and a torch with kernels for them; the "
                f"weights are on {weight.device}, this torch has "
                f"{torch.backends.quantized.supported_engines}."
            )
        torch.backends.quantized.engine = engine
        weight = weight.detach().float()
        lowest, highest = weight.aminmax(dim=1)  # without a copy
        largest = torch.maximum(highest, -lowest)
        scale = largest.clamp(min=1e-12) / WEIGHT_LIMIT
        zero = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():  # deprecated, without a successor
            warnings.simplefilter("ignore", UserWarning)
            rounded = torch.quantize_per_channel(
                weight, scale, zero, 0, torch.qint8
            )
        self.packed = torch.ops.quantized.linear_prepack(rounded, None)

    def __call__(self, x):
        """x float32 [..., D] -> [..., D']."""
        largest = x.abs().amax(-1, keepdim=True).clamp_(min=1e-12)
        return self.product(x / largest).mul_(largest)

    def product(self, x):
        """The same for x in [-1, 1], with one scale for all vectors."""
        return LINEAR(x, STEP, ZERO, self.packed)


class Int8Rows:
    """An embedding as a function of ids, in 8 bits.

    Arguments
    ---------
    parts : iterable of torch.Tensor
        Consecutive rows, [V', D] each; one part at a time is in memory.
    count : int
        Number of rows, V.
    first : int
        The id of the first row.

    Example
    -------
    >>> table, ids = torch.randn(5, 64), torch.tensor([[7, 9]])
    >>> rows = Int8Rows(table.split(2), 5, first=5)
    >>> bool((rows(ids) - table[[2, 4]]).abs().max() < 0.02)
    True
    """

    def __init__(self, parts, count, first=0):
        self.table, self.first = None, first
        self.scale = torch.empty(count, 1)
        start = 0
        for part in parts:
            end, part = start + len(part), part.float()
            if self.table is None:
                size = count, part.shape[1]
                self.table = torch.empty(size, dtype=torch.int8)
            scale = part.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            self.table[start:end] = (part / scale).round_()
            self.scale[start:end] = scale
            start = end

    def __call__(self, ids):
        """ids int64 [...] -> float32 [..., D]."""
        ids = ids - self.first
        return self.table[ids] * self.scale[ids]


class Int8Linear(nn.Module):
    """A linear layer whose matrix is in 8 bits, without gradients.

    Arguments
    ---------
    layer : torch.nn.Linear
        On a CPU.

    Example
    -------
    >>> layer, x = nn.Linear(64, 8), torch.randn(3, 64)
    >>> error = Int8Linear(layer)(x) - layer(x)
    >>> bool(error.std() < 0.05 * layer(x).std())
    True
    """

    def __init__(self, layer):
        super().__init__()
        self.product = Int8(layer.weight)
        bias = layer.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach(), False)

    def forward(self, x):
        """x float32 [..., D] -> [..., D']."""
        y = self.product(x.detach())
        return y if self.bias is None else y + self.bias


def use_int8(module):
    """Replace the linear layers in a module by :class:`Int8Linear`.

    Their matrices in float32 are released. The module can neither be trained
    nor exported afterwards.

    Arguments
    ---------
    module : torch.nn.Module
        On a CPU, in float32.

    Returns
    -------
    torch.nn.Module
        The same module.

    Example
    -------
    >>> module = use_int8(nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    >>> sum(weight.numel() for weight in module.parameters())
    4
    """
    for parent in [*module.modules()]:
        for name, child in [*parent.named_children()]:
            if type(child) is nn.Linear:
                setattr(parent, name, Int8Linear(child))
    return module
