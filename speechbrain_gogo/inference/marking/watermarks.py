"""Watermarks by name.

A watermark is an object with ``mark_stream(pieces, sample_rate)`` and
``score(wav, sample_rate)``, as in perth.py.
"""

import functools
import logging

from speechbrain_gogo.inference.marking.perth import PerthWatermark

logger = logging.getLogger(__name__)

WATERMARKS = {"perth": PerthWatermark}


@functools.cache
def load_watermark(name):
    """Load a watermark once; an ImportError says what to install."""
    if name not in WATERMARKS:
        raise ValueError(
            f"watermark={name!r}: it is {', '.join(WATERMARKS)}, or None for "
            "no watermark."
        )
    return WATERMARKS[name]()


@functools.cache  # warns only once
def find_watermark(name="perth"):
    """A watermark if it is requested and installed, else None.

    If it is requested but not installed, a warning is logged once.
    """
    if name is None:
        return None
    try:
        return load_watermark(name)
    except ImportError as error:
        logger.warning(
            "Synthesised audio gets no watermark: %s (its metadata still says "
            "that it is synthetic)",
            error,
        )
        return None


def mark_stream(pieces, sample_rate, watermark="perth"):
    """Watermark consecutive pieces of audio while they are made.

    ``pieces`` are float [T] each, on the CPU. ``watermark`` is one of
    WATERMARKS; None for no watermark. One that is not installed adds nothing,
    see :func:`find_watermark`. Returns an iterator of float [T], T varying,
    with the same total length, slightly delayed, see :class:`PerthWatermark`.
    Raises a ValueError before the first piece if there is no such watermark.

    Example
    -------
    >>> import torch
    >>> pieces = mark_stream(torch.zeros(48000).split(5000), 24000)
    >>> sum(len(piece) for piece in pieces)
    48000
    """
    found = find_watermark(watermark)
    if found is None:
        return iter(pieces)
    return found.mark_stream(pieces, sample_rate)
