"""Small fold files, and what is needed to train on them."""

import numpy as np
import pytest
import torch

from lumin_core import FoldFileWriter, FoldYielder, ModelBuilder

CONT, CAT = ["a", "b", "c"], ["d"]
CAT_MAPS = {"d": {0: "low", 1: "mid", 2: "high"}}


def write_folds(
    path,
    n_folds=3,
    n=16,
    *,
    objective="classification",
    n_targ=1,
    weights=True,
    cats=True,
    seed=0,
    change=None,
    **options,
):
    """Write a file of random events; ``change(fold, columns)`` may alter each fold's columns."""
    rng = np.random.default_rng(seed)
    targ_feats = "y" if n_targ == 1 else [f"y{i}" for i in range(n_targ)]
    if cats:
        options = {"cat_feats": CAT, "cat_maps": CAT_MAPS, **options}
    options = {"targ_feats": targ_feats, "wgt_feat": "weight" if weights else None, **options}
    with FoldFileWriter(path, cont_feats=CONT, **options) as file:
        for i in range(n_folds):
            cont, codes = rng.normal(size=(n, 3)), rng.integers(0, 3, (n, 1))
            columns = {
                "inputs": np.hstack([cont, codes]) if cats else cont,
                "targets": _targets(rng, cont, objective, n_targ),
                "weights": rng.uniform(0.5, 2, n),
                "misc": {"event": np.arange(n) + i * n},
            }
            if not weights:
                columns["weights"] = None
            if change is not None:
                change(i, columns)
            file.append(i, **columns)
    return FoldYielder(path, seed=3)


def _targets(rng, cont, objective, n_targ):
    score = cont[:, :1] + 0.3 * rng.normal(size=(len(cont), n_targ))
    if objective == "classification":
        score = (score > 0).astype(float)
    elif objective == "multiclass":
        score = np.digitize(score, [-0.5, 0.5]).astype(float)
    return score[:, 0] if n_targ == 1 else score


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch):
    """Let every test work on the CPU, whatever the machine has."""
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


@pytest.fixture(scope="session")
def make_fy():
    return write_folds


@pytest.fixture(scope="session")
def shared_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("folds") / "shared.hdf5"
    write_folds(path).close()
    return path


@pytest.fixture
def fy(shared_path):
    """Three folds of 16 weighted events, for reading only: a, b, c, and d of three categories; binary targets."""
    before = shared_path.stat()
    with FoldYielder(shared_path, seed=3) as yielder:
        yield yielder
    assert shared_path.stat().st_mtime_ns == before.st_mtime_ns, "write into a file of the test's own: make_fy(path)"


@pytest.fixture(scope="session")
def make_builder():
    """Give a builder of a small network for a file's features; options as for ModelBuilder."""

    def make(fy, objective="classification", *, depth=1, width=4, act="swish", body=None, **options):
        options = {"seed": 1, "opt_args": {"opt": "sgd", "lr": 0.1}, **options}
        if body is None:
            body = {"name": "fully_connected", "depth": depth, "width": width, "act": act}
        return ModelBuilder.from_fy(fy, objective, body=body, **options)

    return make


@pytest.fixture(scope="session")
def same_weights():
    """Tell whether two models have the same weights and buffers, bit for bit."""

    def compare(model, other):
        mine, theirs = (m if isinstance(m, dict) else m.model.state_dict() for m in (model, other))
        assert mine.keys() == theirs.keys()
        return all(torch.equal(mine[key], theirs[key]) for key in mine)

    return compare
