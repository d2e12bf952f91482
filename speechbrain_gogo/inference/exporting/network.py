"""A network with named tensors, as export and its check see it.

Shapes have numbers, and letters for sizes that may vary.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn


class Tensor(NamedTuple):
    """An input or an output, and how examples of an input are drawn.

    ``below`` is that of ids, which are drawn from 0 to below - 1; other tensors are
    float32 and normally distributed.

    Example
    -------
    >>> ids = Tensor(("B", 3), "Ids.", below=5)
    >>> ids.draw({"B": 2}, torch.Generator()).shape, ids.dtype
    (torch.Size([2, 3]), 'int64')
    """

    shape: tuple
    about: str
    below: int | None = None
    mean: float = 0.0
    std: float = 1.0

    @property
    def dtype(self):
        """Its type in the file."""
        return "float32" if self.below is None else "int64"

    def draw(self, sizes, generator):
        """An example, with the sizes of the letters."""
        shape = [sizes.get(size, size) for size in self.shape]
        if self.below is not None:
            return torch.randint(self.below, shape, generator=generator)
        return self.mean + self.std * torch.randn(shape, generator=generator)

    def describe(self):
        """The entry of the description."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype,
            "about": self.about,
        }


class Network(NamedTuple):
    """A network to export.

    ``inputs`` and ``outputs`` are name to :class:`Tensor`, in the order of
    arguments and results. ``reference`` is the function with which the file is
    compared: by default the module itself.
    """

    name: str
    use: str
    module: nn.Module
    inputs: dict
    outputs: dict
    reference: Callable | None = None

    def draw(self, sizes, seed):
        """Seeded examples of the inputs, name to tensor."""
        generator = torch.Generator().manual_seed(seed)
        return {
            name: tensor.draw(sizes, generator)
            for name, tensor in self.inputs.items()
        }

    def describe(self):
        """The entry of the description."""
        ends = {"inputs": self.inputs, "outputs": self.outputs}
        tensors = {
            end: {name: each.describe() for name, each in named.items()}
            for end, named in ends.items()
        }
        return {"use": self.use, **tensors}


class Function(nn.Module):
    """A function of a network and of tensors, as a module to export."""

    def __init__(self, function, network):
        super().__init__()
        self.function, self.network = function, network

    def forward(self, *inputs):
        """The function's result."""
        return self.function(self.network, *inputs)
