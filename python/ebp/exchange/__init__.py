"""Networks and estimators in other formats: C, ONNX, PyTorch."""

from ._c import export_c
from ._onnx import to_onnx
from ._torch import from_torch, to_torch

__all__ = ["export_c", "from_torch", "to_onnx", "to_torch"]
