"""Models of lumin-core as ONNX files, which other programs run without Python.

Example:
    >>> import tempfile
    >>> from lumin_core import Model, ModelBuilder
    >>> model = Model(ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1))
    >>> model.export(tempfile.mkdtemp() + "/model", format="onnx").name
    'model.onnx'
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {"exporter": ["Onnx"]}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
