"""Who joins an ensemble, and what each weighs; ensembles of trained models are in test_ensemble.py."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lumin_core import Results
from lumin_core.errors import ConfigError
from lumin_core.runs.members import Snapshots, check_spread, choose_members, shares


def results_of(losses, **metrics):
    rows = [{"loss": loss, "path": Path(f"model_{i}/model.safetensors")} for i, loss in enumerate(losses)]
    for name, (values, _) in metrics.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return Results(rows, {name: better for name, (_, better) in metrics.items()})


@pytest.mark.parametrize(
    ("metric", "weighting", "paths", "weights"),
    [
        ("loss", "uniform", [1, 0], [1, 1]),
        ("loss", "reciprocal", [1, 0], [1 / 0.2, 1 / 0.4]),
        ("auc", "reciprocal", [2, 0], [0.9, 0.8]),
        ("pull", "reciprocal", [1, 2], [1 / 0.1, 1 / 0.5]),
    ],
)
def test_the_best_are_chosen_the_best_first(metric, weighting, paths, weights):
    results = results_of([0.4, 0.2, 0.8], auc=([0.8, 0.7, 0.9], "higher"), pull=([2.0, -0.1, 0.5], "zero"))
    members = choose_members(results, 2, metric, weighting, None)
    assert [member.path.parent.name for member in members] == [f"model_{i}" for i in paths]
    assert np.allclose([member.weight for member in members], weights)


def test_a_model_that_diverged_is_refused():
    with pytest.raises(ConfigError, match="has loss nan"):
        choose_members(results_of([0.4, float("nan")]), 2, "loss", "uniform", None)


def test_weights_sum_to_one_and_those_that_do_stay_as_they_are():
    assert shares(None, 4).tolist() == [0.25] * 4
    kept = np.array([0.1, 0.2, 0.7])
    assert np.array_equal(shares(kept, 3), kept)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")], ["a", "b"]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ConfigError, match="weights must be 2 positive numbers"):
        shares(weights, 2)


def test_one_model_has_no_spread():
    plain, several = SimpleNamespace(members=1), SimpleNamespace(members=4)
    check_spread([plain] * 3, [[0, 1], [1, 2]])
    check_spread([plain, several], [[0, 1], [1]])
    with pytest.raises(ConfigError, match=r"there is one for the folds \[1\]"):
        check_spread([plain] * 3, [[0, 1], [2]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_cycle": 3}, "did you mean 'n_cycles'"),
        ({"n_cycles": 0}, "positive integer"),
        ({"n_cycles": 1, "patience": -1}, "patience"),
        ({"n_cycles": 1, "weighting_pwr": float("inf")}, "weighting_pwr"),
    ],
)
def test_options_of_snapshots_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        Snapshots.from_options(options)
