"""Networks and estimators in other formats: C, ONNX, PyTorch."""

from ._c import export_c
from ._onnx import to_onnx

__all__ = ["export_c", "to_onnx"]
