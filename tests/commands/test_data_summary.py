"""What is said of the data of a fold file: balance, weights, ranges, and what may hurt a training."""

import numpy as np
import pytest

from lumin_core.data import MatrixSchema, Schema
from lumin_plugin_commands.data_summary import DataSummary

SCHEMA = Schema(cont_feats=["a", "b"], cat_feats=["n"], targ_feats="y", wgt_feat="w")


def fold(n_events=50, *, seed=1, targets=None, weights=None, **columns):
    """Make a fold of columns a, b, n, of which some may be given."""
    rng = np.random.default_rng(seed)
    made = {
        "a": rng.normal(size=n_events),
        "b": rng.normal(5, 2, n_events),
        "n": rng.integers(0, 3, n_events),
        **columns,
    }
    inputs = np.stack([np.broadcast_to(values, n_events) for values in made.values()], axis=1).astype("float32")
    targets = np.arange(n_events) % 2 if targets is None else targets
    weights = np.ones(n_events) if weights is None else np.broadcast_to(weights, n_events)
    return {"inputs": inputs, "targets": np.float32(targets)[:, None], "weights": np.float32(weights)[:, None]}


def rows(*folds, schema=SCHEMA, matrix=None):
    summary = DataSummary(schema)
    for of_fold in folds:
        summary.add(of_fold, matrix)
    return list(summary.rows())


def warnings(*folds, **options):
    return [text for label, text in rows(*folds, **options) if label == "warning"]


def test_balance_weights_and_ranges():
    signs = np.where(np.arange(50) < 5, -1.0, 1.0)
    a = np.where(np.arange(50) < 10, np.nan, np.arange(50) / 10)
    found = dict(rows(fold(a=a, weights=signs), fold(a=a, weights=2 * signs)))
    assert found["each fold"] == "50 events, weights of 40 to 80"
    assert found["class 0"] == "50 events, 50%, 47.5% of the weights, 57"
    assert found["weights"] == (
        "sum 120; 10% of their size is negative, 1.33% is that of one event; as precise as 58 events of equal weights"
    )
    assert found["a"] == "1 to 4.9, 20% missing"
    assert found["n"] == "0 to 2"
    assert "warning" not in found


def test_targets_of_a_regression_have_a_range():
    found = dict(rows(fold(targets=np.linspace(0, 9, 50))))
    assert (found["y"], "class 0" in found) == ("0 to 9", False)


def test_a_matrix_is_told_by_its_features():
    matrix = MatrixSchema(shape=(2, 3), vecs=["j", "k"], feats_per_vec=["x", "y", "z"], row_wise=True)
    values = np.tile(np.array([[1.0, 2.0, 2.0], [np.nan] * 3]), (50, 1, 1)) * np.arange(50)[:, None, None]
    schema = Schema(cont_feats=["a", "b"], cat_feats=["n"], targ_feats="y", matrix=matrix)
    found = rows(fold(), schema=schema, matrix=values)
    assert ("x of objects", "0 to 49, 50% missing") in found
    assert ("warning", "the same values: y of objects, z of objects") in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": 3.0}, "constant: a"),
        ({"a": np.nan}, "constant: a"),
        ({"b": np.arange(50.0), "n": np.arange(50.0)}, "the same values: b, n"),
        ({"a": np.where(np.arange(50) < 30, np.nan, np.arange(50.0))}, "missing in more than half of the events: a"),
        ({"targets": np.ones(50)}, "all events are of one class, 1"),
        ({"weights": -1.0}, "weights do not sum to more than 0 in 1 fold: 0"),
        ({"weights": np.where(np.arange(50) == 3, 90.0, 1.0)}, "one event has more than 5% of all weights"),
        (
            {"weights": np.where(np.arange(50) % 2, 1000.0, 1.0)},
            "sums of weights of the classes differ by a factor of 1,000: the callback balance_classes",
        ),
    ],
)
def test_what_may_hurt_is_a_warning(changes, message):
    assert message in warnings(fold(**changes))


def test_a_value_far_from_all_others_is_a_warning():
    a = np.random.default_rng(1).normal(size=50_000)
    a[7] = 1e4
    assert warnings(fold(50_000, a=a)) == ["values more than 100 standard deviations from the mean: a (224)"]


def test_folds_that_differ_are_a_warning():
    found = warnings(fold(), fold(20, seed=2, targets=np.ones(20)))
    assert found == [
        "class 0 is missing in 1 fold: 1",
        "folds are of 20 to 50 events: what is trained on a fold and validated on one differs",
    ]


def test_columns_that_differ_in_one_fold_alone_are_others():
    same = {"b": np.arange(50.0), "n": np.arange(50.0)}
    assert warnings(fold(**same), fold(**(same | {"n": np.arange(50.0)[::-1]}))) == []


def test_many_columns_are_counted():
    schema = Schema(cont_feats=[f"x{i}" for i in range(60)], targ_feats="y")
    made = {"inputs": np.random.default_rng(1).normal(size=(9, 60)), "targets": np.zeros((9, 0)), "weights": None}
    found = rows(made, schema=schema)
    assert ("...", "21 more") in found
    assert len(found) < 50
