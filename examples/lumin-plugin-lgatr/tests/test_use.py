"""By name, as a user has it: a fold file, a tagger, a saved model."""

import numpy as np
import pandas as pd
import pytest

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile

FEATS = ["E", "px", "py", "pz"]


@pytest.fixture
def jets(tmp_path):
    """Write jets of up to five constituents: those of the signal have two prongs."""
    rng = np.random.default_rng(1)
    n_jets, n = 120, 5
    is_signal = np.arange(n_jets) % 2
    momenta = rng.normal((50, 0, 0), size=(n_jets, n, 3))
    momenta[:, ::2, 1] += 25 * is_signal[:, None]
    jets = np.concatenate([np.sqrt((momenta**2).sum(-1, keepdims=True)), momenta], axis=-1)
    jets[np.arange(n) >= rng.integers(3, n + 1, n_jets)[:, None]] = np.nan
    vecs = [f"const{i}" for i in range(n)]
    df = pd.DataFrame(jets.reshape(n_jets, -1), columns=[f"{vec}_{feat}" for vec in vecs for feat in FEATS])
    df["is_signal"] = is_signal
    matrix = {"matrix_vecs": vecs, "matrix_feats_per_vec": FEATS, "matrix_row_wise": True}
    return df2foldfile(df, 3, [], [], "is_signal", tmp_path / "jets", "int", strat_key="is_signal", seed=1, **matrix)


@pytest.mark.parametrize(("name", "tokens"), [("lgatr", "multivectors"), ("lgatr_slim", "vectors")])
def test_a_tagger_learns_and_is_loaded_by_its_name(name, tokens, jets, tmp_path):
    extractor = {"name": name, "unit": 5.0, "n_blocks": 1, f"n_{tokens}": 4, "n_scalars": 8, "n_heads": 2, "width": 8}
    head = {"name": "gnn_head", "extractor": extractor, "collapser": {"name": "graph_collapser", "agg_methods": "mean"}}
    with FoldYielder(jets) as fy:
        body = {"name": "fully_connected", "depth": 1, "width": 16, "act": "swish"}
        model = Model(
            ModelBuilder.from_fy(fy, "classification", head=head, body=body, opt_args={"lr": 1e-2}, seed=1),
            device="cpu",
        )
        before = model.evaluate(fy)
        model.fit(7, fy, bs=20, visible_bar=False, seed=1, cb_savepath=tmp_path)
        assert model.evaluate(fy) < 0.5 * before
        inputs = fy[0]["inputs"]
        loaded = Model.from_save(model.save(tmp_path / "tagger"), device="cpu")
        assert np.array_equal(loaded.predict(inputs), model.predict(inputs))
    assert f"lumin-plugin-lgatr/{name}" in str(loaded.model_builder.to_config())
