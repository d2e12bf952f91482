"""The default dtype of new tensors, which a caller may have changed."""

import contextlib

import torch


@contextlib.contextmanager
def float32_by_default():
    """A context in which new tensors are float32, for any default dtype.

    The default is global: it holds for other threads, too.

    Example
    -------
    >>> torch.set_default_dtype(torch.float64)
    >>> with float32_by_default():
    ...     torch.zeros(1).dtype
    torch.float32
    >>> torch.set_default_dtype(torch.float32)
    """
    before = torch.get_default_dtype()
    if before == torch.float32:
        yield
        return
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
