"""Models with members export as their mean."""

import importlib

import numpy as np
import pytest

from lumin_core import Model, ModelBuilder

for name in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(name, reason=f"{name} is not installed: pip install 'lumin-core[onnx]' onnxruntime")


@pytest.mark.parametrize(
    ("arch", "objective"), [("mini", "multiclass"), ("batch", "regression"), ("packed", "multiclass")]
)
def test_the_file_gives_the_mean_over_members(arch, objective, tmp_path):
    body = {"name": "tabm", "k": 4, "arch": arch, "depth": 2, "width": 8}
    model = Model(ModelBuilder(objective, 3, ["a", "b", "c"], body=body, seed=1))
    x = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")
    session = importlib.import_module("onnxruntime").InferenceSession(str(model.export(tmp_path / arch)))
    (found,) = session.run(None, {"inputs": x})
    np.testing.assert_allclose(found, model.predict(x), rtol=0, atol=1e-6)
