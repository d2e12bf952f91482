"""Export of networks to ONNX, for use without torch.

:func:`export_onnx` writes a folder of networks with a description and compares
each of them, in ONNX Runtime, with torch. Needs the extra ``gogo[onnx]``.
"""

from speechbrain_gogo.inference.exporting.folder import export_onnx

__all__ = ["export_onnx"]
