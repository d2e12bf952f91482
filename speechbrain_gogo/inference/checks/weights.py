"""The setting ``weights``: matrices in float, or in 8 bits."""

import torch

from speechbrain_gogo.lobes.nn.int8 import Int8, int8_engine
from speechbrain_gogo.lobes.speech.decoding.weights import Dense


def weights_of(kind, codec):
    """Class that applies weight matrices, for a codec's precision and device.

    ``kind`` is "float", unchanged; "int8", a quarter of the bytes, on a CPU; or
    "auto", "int8" where it is supported, else "float". Returns ``Dense`` of
    lobes/speech/decoding/weights.py, or ``Int8`` of lobes/nn/int8.py. Raises a
    ValueError if there is no such kind, or precision or device do not support
    it.
    """
    kinds = {"float": Dense, "int8": Int8}
    if kind not in [*kinds, "auto"]:
        known = sorted([*kinds, "auto"])
        raise ValueError(f"weights='{kind}': use one of {known}.")
    device = torch.device(codec.device).type
    fits = (codec.precision, device) == ("fp32", "cpu")
    if kind == "auto":
        return Int8 if fits and int8_engine() else Dense
    if kind == "int8" and not fits:
        raise ValueError(
            f"weights='int8' are for a CPU and precision fp32; here they are "
            f"{device} and {codec.precision}: take weights='float'."
        )
    return kinds[kind]
