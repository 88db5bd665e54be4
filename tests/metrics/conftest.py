"""Samples of events, and small fold files of every objective with weights of either sign."""

import numpy as np
import pytest

from lumin_core import FoldFileWriter, FoldYielder, Model, ModelBuilder

SIZES = (24, 40, 30)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


def event_weights(rng, n, sign="positive"):
    """Positive, or an eighth of them negative and another eighth zero."""
    weights = rng.uniform(0.2, 1.8, n)
    if sign == "negative":
        weights *= rng.choice([1, 1, 1, 1, 1, 1, 0, -0.4], size=n)
    return weights


def sample(objective, n=200, seed=0, sign="positive"):
    """Give predictions (with many ties), targets and weights."""
    rng = np.random.default_rng(seed)
    weights = event_weights(rng, n, sign)
    if objective == "classification":
        targets = rng.integers(2, size=n)
        return np.round(1 / (1 + np.exp(-rng.normal(2 * targets - 1))), 2), targets, weights
    if objective == "labels":
        targets = rng.integers(2, size=(n, 3))
        return np.round(1 / (1 + np.exp(-rng.normal(2 * targets - 1))), 2), targets, weights
    if objective == "multiclass":
        targets = rng.choice(4, size=n, p=[0.4, 0.3, 0.2, 0.1])
        preds = np.exp(rng.normal(size=(n, 4)) + 1.5 * np.eye(4)[targets])
        return preds / preds.sum(1, keepdims=True), targets, weights
    targets = rng.uniform(50, 150, n) if objective == "regression" else rng.uniform(50, 150, (n, 2))
    return rng.normal(1.02 * targets, 8), targets, weights


def write_folds(path, objective, seed=0, shift=0.0):
    """Write folds of unequal size: features a and b, column ``scale``, targets that ``a`` decides."""
    rng = np.random.default_rng(seed)
    n_targ = {"labels": 3, "regression2": 2}.get(objective, 1)
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats=[f"y{i}" for i in range(n_targ)], wgt_feat="w") as file:
        for i, n in enumerate(SIZES):
            x = rng.normal(size=(n, 2))
            score = x[:, :1] + 0.5 * rng.normal(size=(n, n_targ))
            if objective in ("classification", "labels"):
                score = (score > 0).astype(int)
            elif objective == "multiclass":
                score = np.digitize(score, [-0.5, 0.5])
            else:
                score = score + shift
            weights, scale = event_weights(rng, n, "negative"), rng.uniform(1, 2, n)
            file.append(i, inputs=x, targets=score, weights=weights, misc={"scale": scale})
    return path


@pytest.fixture(scope="session")
def make_sample():
    return sample


@pytest.fixture(scope="session")
def folds(tmp_path_factory):
    """Give a function that opens the file of an objective, written once."""
    folder, opened = tmp_path_factory.mktemp("folds"), {}

    def give(objective, shift=0.0):
        key = (objective, shift)
        if key not in opened:
            opened[key] = FoldYielder(write_folds(folder / f"{len(opened)}.hdf5", objective, shift=shift))
        return opened[key]

    yield give
    for fy in opened.values():
        fy.close()


@pytest.fixture(scope="session")
def make_builder():
    def make(fy, objective, **options):
        objective = {"labels": "classification", "regression2": "regression"}.get(objective, objective)
        options = {"seed": 1, "model_args": {"body": {"depth": 1, "width": 4}}, **options}
        return ModelBuilder.from_fy(fy, objective, **options)

    return make


@pytest.fixture(scope="session")
def make_model(make_builder):
    return lambda fy, objective, **options: Model(make_builder(fy, objective, **options))
