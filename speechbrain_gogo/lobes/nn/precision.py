"""Full float32 precision.

Importing SpeechBrain allows GPUs to round the factors of float32 products to TF32,
with 10 bits of mantissa, and a caller may use autocast. The feature of a token near
the border between two codes may then get the other code. Tokens, rewards and
evaluations are therefore computed inside :func:`full_precision`; training is not.
"""

import contextlib
import logging
import threading

import torch

logger = logging.getLogger(__name__)


class KeepsPrecision:
    """A module whose weights stay in the precision that they were loaded in.

    It moves between devices like any module. ``half()``, ``bfloat16()`` and
    similar calls do not convert its weights, even if they are called on a module
    that contains it: with rounded weights, tokens would change.
    """

    def _apply(self, fn, recurse=True):
        refused = set()

        def move(tensor):
            moved = fn(tensor)
            if moved.dtype == tensor.dtype:
                return moved
            refused.add(moved.dtype)
            return tensor.to(moved.device)

        super()._apply(move, recurse)
        if refused:
            logger.warning(
                "%s keeps its weights in their precision: in %s, tokens would "
                "change. To compute in lower precision, load it with "
                "run_opts={'precision': 'bf16'}.",
                type(self).__name__,
                *refused,
            )
        return self


_lock = threading.Lock()
_contexts, _restore = 0, None  # active in all threads; what undoes the first


@contextlib.contextmanager
def full_precision(device_type):
    """Disable autocast and TF32 inside the context, and restore them afterwards.

    The switches of TF32 are global: other threads are affected too. The last of
    several contexts, of any threads, restores them. ``device_type`` is that of
    the autocast, "cpu" or "cuda".

    Example
    -------
    >>> with full_precision("cpu"):
    ...     torch.get_float32_matmul_precision()
    'highest'
    """
    global _contexts, _restore
    with _lock:
        if not _contexts:
            _restore = _disable_tf32()
        _contexts += 1
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        with _lock:
            _contexts -= 1
            if not _contexts:
                _restore()


def _disable_tf32():
    """Disable TF32; gives a function that restores it."""
    matmul, cudnn = _legacy_settings()
    switches = _switches()
    before = [switch.fp32_precision for switch in switches]
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    for switch in switches:
        switch.fp32_precision = "ieee"

    def restore():
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
        for switch, value in zip(switches, before):
            if switch.fp32_precision != value:
                switch.fp32_precision = value

    return restore


def _legacy_settings():
    """Precision of products and of cuDNN, by their names before torch 2.9.

    None for a setting that was changed by its new name: torch then raises an error
    if it is read by the old one.
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
    """Objects that hold the precision of float32 products since torch 2.9."""
    backends = torch.backends
    found = [backends.cuda.matmul]
    for backend in (backends.cudnn, backends.mkldnn):
        for name in ("conv", "rnn", "matmul"):
            found.append(getattr(backend, name, None))
    return [x for x in found if hasattr(x, "fp32_precision")]
