"""Heads for objects as ONNX files, for any number of events."""

import numpy as np
import pytest
import torch

from lumin_core import Model, ModelBuilder

NETWORKS = {  # no more layers of a kind than make a difference: torch takes a second for a few
    "edge_conv": ({"name": "edge_conv", "widths": [[8, 8], [8]], "k": 3}, "graph_collapser"),
    "grav_net": ({"name": "grav_net", "k": 3, "n_out": [8, 8]}, {"name": "graph_collapser", "flatten": True}),
    "interaction_net": (
        {"name": "interaction_net", "intfunc_outs": [8, 8], "outfunc_outs": [8, 8]},
        {"name": "graph_collapser", "n_sa_layers": 1},
    ),
    "lorentz_net": ({"name": "lorentz_net", "preset": "lite"}, "graph_collapser"),
    "particle_transformer": (
        {"name": "particle_transformer", "preset": "lite", "n_layers": 2},
        {"name": "class_attention", "depth": 1},
    ),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_it_exports_to_onnx(network, objects, tmp_path):
    for package in ("onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lumin-core[onnx]' onnxruntime")
    import onnxruntime

    extractor, collapser = NETWORKS[network]
    matrix = {
        "name": "gnn_head", "vecs": [f"v{i}" for i in range(7)], "feats_per_vec": ["px", "py", "pz", "E"],
        "extractor": extractor if network == "lorentz_net" else ["constituent_features", extractor],
        "collapser": collapser,
    }  # fmt: skip
    body = {"name": "fully_connected", "depth": 1, "width": 4}
    head = {"name": "multi_head", "matrix_head": matrix}
    model = Model(ModelBuilder("classification", 1, ["a"], head=head, body=body, seed=1), device="cpu")
    session = onnxruntime.InferenceSession(str(model.export_onnx(tmp_path / "m")), providers=["CPUExecutionProvider"])
    x, mask = objects(n_events=80, n_present=[i % 8 for i in range(80)], dtype=torch.float32)
    for n in (1, 80):
        flat, matrix = np.ones((n, 1), "float32"), x.masked_fill(~mask.unsqueeze(-1), torch.nan)[:n].numpy()
        (preds,) = session.run(None, {"inputs": flat, "matrix": matrix})
        np.testing.assert_allclose(preds, model.predict((flat, matrix)), atol=1e-5)
