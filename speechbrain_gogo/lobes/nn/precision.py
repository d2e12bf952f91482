"""Full float32 precision, said explicitly.

Importing SpeechBrain lets GPUs round the factors of float32 products to TF32,
10 bits of mantissa, and a caller may be in autocast. A feature that lies
between two codes then becomes the other one. Tokens, rewards and evaluations
are therefore computed inside :func:`full_precision`; training is not.
"""

import contextlib

import torch


@contextlib.contextmanager
def full_precision(device_type):
    """No autocast and no TF32 inside; afterwards, everything as it was.

    The switches of TF32 are global: they hold for other threads, too.

    Arguments
    ---------
    device_type : str
        Whose autocast, "cpu" or "cuda".

    Example
    -------
    >>> with full_precision("cpu"):
    ...     torch.get_float32_matmul_precision()
    'highest'
    """
    matmul, cudnn, switches = *_legacy_names(), _switches()
    before = [switch.fp32_precision for switch in switches]
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
        for switch, value in zip(switches, before):
            if switch.fp32_precision != value:
                switch.fp32_precision = value


def _legacy_names():
    """The settings of products and of cuDNN by their names before torch 2.9.

    None for what has been set by the new names: torch refuses to translate.
    """
    found = []
    for read in (
        torch.get_float32_matmul_precision,
        lambda: torch.backends.cudnn.allow_tf32,
    ):
        try:
            found.append(read())
        except RuntimeError:
            found.append(None)
    return found


def _switches():
    """Where torch 2.9 and later keep the precision of float32 products."""
    backends = torch.backends
    found = [backends.cuda.matmul]
    for backend in (backends.cudnn, backends.mkldnn):
        for name in ("conv", "rnn", "matmul"):
            found.append(getattr(backend, name, None))
    return [x for x in found if hasattr(x, "fp32_precision")]
