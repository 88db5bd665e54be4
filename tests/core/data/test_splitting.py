"""Splitting: every event in one fold, folds of one size, classes spread evenly."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core.data.splitting import split_events
from lumin_core.errors import ConfigError, DataError


@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_stratified_folds_are_even_in_every_class(n_folds):
    strata = np.array(["a"] * 31 + ["b"] * 17 + ["c"] * 8)
    folds = split_events(len(strata), n_folds, shuffle=True, seed=3, strata=strata)
    assert sorted(np.concatenate(folds)) == list(range(len(strata)))
    assert np.ptp([len(fold) for fold in folds]) <= 1
    for name in "abc":
        assert np.ptp([(strata[fold] == name).sum() for fold in folds]) <= 1


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n", "n_folds"), [(10, 3), (7, 7), (5, 1)])
def test_every_event_is_in_one_fold_and_folds_are_of_one_size(n, n_folds, shuffle):
    folds = split_events(n, n_folds, shuffle=shuffle, seed=1)
    assert sorted(np.concatenate(folds).tolist()) == list(range(n))
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    assert all((np.diff(fold) > 0).all() for fold in folds)


def test_the_seed_decides():
    first, again, other = (split_events(50, 2, shuffle=True, seed=seed)[0].tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("n_folds", [0, -1, 2.0, True, "3"])
def test_folds_are_a_positive_number(n_folds):
    with pytest.raises(ConfigError, match="n_folds must be a positive integer"):
        split_events(10, n_folds, shuffle=True, seed=1)


def test_too_few_events_are_refused():
    with pytest.raises(DataError, match="2 events cannot fill 3 folds"):
        split_events(2, 3, shuffle=True, seed=1)
    with pytest.raises(DataError, match="1 events of class 'b', too few for 2 folds"):
        split_events(5, 2, shuffle=True, seed=1, strata=["a", "a", "b", "a", "a"])
    with pytest.raises(ConfigError, match="strat_key needs shuffle=True"):
        split_events(5, 2, shuffle=False, seed=1, strata=[0] * 5)


def test_strata_that_are_no_classes_are_refused():
    with pytest.raises(DataError, match="strat_key must hold one class for each event"):
        split_events(2, 2, shuffle=True, seed=1, strata=np.array([[1], [2, 3]], dtype=object))


def test_masked_strata_are_a_class_of_their_own():
    strata = np.ma.masked_array(np.arange(12) % 2, np.arange(12) >= 8)
    folds = split_events(12, 2, shuffle=True, seed=1, strata=strata)
    assert [(fold >= 8).sum() for fold in folds] == [2, 2]


def test_events_without_a_class_are_named_as_such():
    with pytest.raises(DataError, match="strat_key is missing for 1 events; drop them, or give them a class"):
        split_events(5, 2, shuffle=True, seed=1, strata=[0.0, 1.0, 0.0, 1.0, np.nan])
