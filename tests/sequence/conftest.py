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


def gradients(function, x, parameters):
    """Give the values of a function of inputs, and the gradients of a sum of these that takes each otherwise."""
    x = x.clone().requires_grad_()
    out = function(x)
    weighted = (out * torch.linspace(-1, 2, out.numel(), dtype=x.dtype).view(out.shape)).sum()
    found = torch.autograd.grad(weighted, [x, *parameters], allow_unused=True)
    return [out.detach(), *(torch.zeros(()) if g is None else g for g in found)]


@pytest.fixture
def agree():
    """Give a function that compares two functions of inputs by values and gradients, those of parameters included."""

    def compare(function, reference, x, parameters=()):
        parameters = list(parameters)
        found, expected = (gradients(f, x, parameters) for f in (function, reference))
        assert found[0].shape == expected[0].shape
        for a, b in zip(found, expected, strict=True):
            assert torch.allclose(a.nan_to_num(0).double(), b.nan_to_num(0).double(), atol=1e-10)
        assert found[0].abs().sum() > 0

    return compare


@pytest.fixture
def depends():
    """Give a function that finds, from gradients at many events, the columns that a head's features reach."""

    def find(head, x):
        names = head.matrix_feats
        gradient = torch.autograd.functional.jacobian(lambda x: head.eval()(x).sum(0), x)  # (columns, B, N, F)
        reached = (gradient.nan_to_num(0) != 0).any(1).flatten(1)
        return {name: reached[:, i].nonzero().flatten().tolist() for i, name in enumerate(names)}

    return find


@pytest.fixture
def trained_and_saved(tmp_path):
    """Give a function that trains a head by name on a fold file of objects, saves and loads the model."""
    import numpy as np
    import pandas as pd

    from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile

    def train(head, flat=(), row_wise=True, precision="32"):
        rng = np.random.default_rng(1)
        feats = rng.normal(size=(400, 5, 2))
        label = (feats[..., 0].sum(1) > 0).astype(int)
        feats[rng.random((400, 5)) < 0.2] = np.nan
        vecs = [f"v{i}" for i in range(5)]
        df = pd.DataFrame(feats.reshape(400, -1), columns=[f"{vec}_{x}" for vec in vecs for x in ("x", "y")])
        df = df.assign(a=rng.normal(size=400), label=label)
        objects = {"matrix_vecs": vecs, "matrix_feats_per_vec": ["x", "y"], "matrix_row_wise": row_wise}
        file = df2foldfile(
            df, 4, list(flat), [], "label", tmp_path / "objects", "int", seed=1, overwrite=True, **objects
        )
        with FoldYielder(file) as fy:
            builder = ModelBuilder.from_fy(fy, "classification", head=head, opt_args={"lr": 5e-3}, seed=1)
            model = Model(builder, precision=precision)
            model.fit(5, fy, 20, val_idx=0, seed=1, visible_bar=False)
            losses = model.fit_params.history["valid"]["loss"]
            assert min(losses) < 0.6  # knowing nothing is ln 2; later epochs learn 300 events by heart
            loaded = Model.from_save(model.save(tmp_path / "model"))
            shift = loaded.predict(fy[0]["inputs"]) - model.predict(fy[0]["inputs"])
            assert np.abs(shift).mean() <= (0 if precision == "32" else 0.02)  # what is loaded predicts in "32"
            assert loaded.model_builder.to_config() == builder.to_config()
        return model

    return train
