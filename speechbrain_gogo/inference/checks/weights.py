"""The setting ``weights``: matrices in float, or in 8 bits."""

import torch

from speechbrain_gogo.lobes.nn.int8 import Int8
from speechbrain_gogo.lobes.speech.decoding.weights import Dense


def weights_of(kind, codec):
    """Class that applies weight matrices.

    Arguments
    ---------
    kind : str
        "float", unchanged, or "int8": a quarter of the bytes, on a CPU.
    codec : GogoCodec
        Codec with the precision and the device.

    Returns
    -------
    callable
        ``Dense`` of lobes/speech/decoding/weights.py, or ``Int8`` of
        lobes/nn/int8.py.

    Raises
    ------
    ValueError
        If there is no such kind, or precision or device do not support it.
    """
    kinds = {"float": Dense, "int8": Int8}
    if kind not in kinds:
        raise ValueError(f"weights='{kind}': use one of {sorted(kinds)}.")
    device = torch.device(codec.device).type
    if kind == "int8" and (codec.precision, device) != ("fp32", "cpu"):
        raise ValueError(
            f"weights='int8' are for a CPU and precision fp32; here they are "
            f"{device} and {codec.precision}: take weights='float'."
        )
    return kinds[kind]
