"""Models of lumin-core as ONNX files, which other programs run without Python."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {"exporter": ["Onnx"]}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
