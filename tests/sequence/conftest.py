"""Sequences of objects, some of them absent, for the tests of recurrent and convolutional heads."""

import pytest
import torch


def draw(n_events=5, n=7, n_fpv=3, n_present=(7, 5, 3, 1, 0), at_the_end=False, seed=1, dtype=torch.float64):
    """Give features ``(B, N, F)``, NaN for absent objects, anywhere or at the end, and the mask ``(B, N)``."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(n_events, n, dtype=torch.bool)
    for event, count in enumerate(n_present):
        mask[event, torch.arange(n)[:count] if at_the_end else torch.randperm(n, generator=generator)[:count]] = True
    x = torch.randn(n_events, n, n_fpv, generator=generator, dtype=torch.float64)
    return x.masked_fill(~mask.unsqueeze(-1), torch.nan).to(dtype), mask


@pytest.fixture
def sequences():
    return draw


@pytest.fixture
def trained_and_saved(tmp_path):
    """Give a function that trains a head by name on a fold file of objects, saves and loads the model."""
    import numpy as np
    import pandas as pd

    from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile

    def train(head, flat=()):
        rng = np.random.default_rng(1)
        feats = rng.normal(size=(400, 5, 2))
        label = (feats[..., 0].sum(1) > 0).astype(int)
        feats[rng.random((400, 5)) < 0.2] = np.nan
        vecs = [f"v{i}" for i in range(5)]
        df = pd.DataFrame(feats.reshape(400, -1), columns=[f"{vec}_{x}" for vec in vecs for x in ("x", "y")])
        df = df.assign(a=rng.normal(size=400), label=label)
        objects = {"matrix_vecs": vecs, "matrix_feats_per_vec": ["x", "y"], "matrix_row_wise": True}
        file = df2foldfile(
            df, 4, list(flat), [], "label", tmp_path / "objects", "int", seed=1, overwrite=True, **objects
        )
        with FoldYielder(file) as fy:
            builder = ModelBuilder.from_fy(fy, "classification", head=head, opt_args={"lr": 5e-3}, seed=1)
            model = Model(builder)
            model.fit(5, fy, 20, val_idx=0, seed=1, visible_bar=False)
            losses = model.fit_params.history["valid"]["loss"]
            assert losses[-1] < 0.6  # knowing nothing is ln 2
            loaded = Model.from_save(model.save(tmp_path / "model"))
            assert np.array_equal(loaded.predict(fy[0]["inputs"]), model.predict(fy[0]["inputs"]))
            assert loaded.model_builder.to_config() == builder.to_config()
        return model

    return train
