"""Groups stay in one fold; folds are as even as groups allow, in every class, too."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from lumin_core.data.splitting import split_events
from lumin_core.errors import ConfigError, DataError

RNG = np.random.default_rng(5)
JETS = np.repeat(np.arange(300), RNG.integers(1, 7, 300))  # the event of each jet
CLASSES = RNG.choice(3, len(JETS), p=[0.7, 0.25, 0.05])  # of jets, mixed in an event
OF_EVENTS = RNG.choice(3, 300, p=[0.7, 0.25, 0.05])[JETS]


def split(groups, n_folds=5, seed=1, **options):
    return split_events(len(groups), n_folds, **({"shuffle": True} | options), seed=seed, groups=groups)


def spread(folds, strata):
    """Return the mean standard deviation of the classes' shares, as scikit-learn measures it."""
    shares = [[(strata[fold] == name).sum() / (strata == name).sum() for fold in folds] for name in np.unique(strata)]
    return np.std(shares, axis=1).mean()


@pytest.mark.parametrize("strata", [None, CLASSES, OF_EVENTS], ids=["plain", "mixed", "pure"])
@pytest.mark.parametrize("n_folds", [1, 2, 5, 7])
def test_every_event_is_in_one_fold_with_its_group_in_order(strata, n_folds):
    shuffled = np.random.default_rng(2).permutation(len(JETS))
    groups = JETS[shuffled]
    folds = split(groups, n_folds, strata=None if strata is None else strata[shuffled])
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(groups)))
    assert sum(len(set(groups[fold])) for fold in folds) == 300
    assert all((np.diff(fold) > 0).all() for fold in folds)
    assert np.ptp([len(fold) for fold in folds]) <= (1 if strata is None else 3)


@pytest.mark.parametrize("strata", [CLASSES, OF_EVENTS], ids=["mixed", "pure"])
def test_classes_are_spread_as_evenly_as_by_scikit_learn(strata):
    theirs = [fold for _, fold in StratifiedGroupKFold(5).split(JETS, strata, JETS)]
    assert spread(split(JETS, strata=strata), strata) <= spread(theirs, strata) + 1e-12
    assert spread(split(JETS, strata=strata), strata) < spread(split(JETS), strata) / 5


def test_sizes_are_those_of_scikit_learn():
    groups = np.repeat(np.arange(40), (np.random.default_rng(3).pareto(1.5, 40) * 50 + 5).astype(int))
    theirs = [len(fold) for _, fold in GroupKFold(5).split(groups, groups=groups)]
    assert sorted(map(len, split(groups))) == sorted(theirs)


def test_a_group_for_each_event_is_no_group():
    single = np.arange(len(CLASSES))
    folds = split(single, strata=CLASSES)
    assert np.ptp([len(fold) for fold in folds]) <= 1
    assert all(np.ptp([(CLASSES[fold] == name).sum() for fold in folds]) <= 1 for name in range(3))


def test_the_seed_decides():
    first, again, other = (split(JETS, seed=seed, strata=CLASSES)[0].tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    "groups",
    [
        ["a", "b", "b", "c", "a", "c"],
        np.array([0.5, 1.5, 1.5, -2, 0.5, -2]),
        np.array([2**62, 2**62 + 1, 2**62 + 1, 7, 2**62, 7]),
        [True, False, False, "x", True, "x"],
        np.array([1, 2, 2, 3, 1, 3]).astype("datetime64[s]"),
    ],
)
def test_a_group_is_of_whatever_can_be_told_apart(groups):
    folds = split(np.array(groups, dtype=getattr(groups, "dtype", object)), 3)
    assert sorted(fold.tolist() for fold in folds) == [[0, 4], [1, 2], [3, 5]]


def test_a_group_larger_than_a_fold_is_said(caplog):
    folds = split(np.array([0] * 8 + [1, 2, 2, 3]), 3)
    assert sorted(map(len, folds)) == [2, 2, 8]
    assert "a group of 8 events is larger than a fold: folds are of 2 to 8 events" in caplog.text
    caplog.clear()
    split(JETS)
    assert not caplog.text


def test_what_cannot_be_kept_together_is_refused():
    with pytest.raises(ConfigError, match=r"group_key needs shuffle=True: .* cannot keep groups together"):
        split(JETS, shuffle=False)
    with pytest.raises(DataError, match="2 groups of group_key cannot fill 3 folds"):
        split([1, 1, 2, 2], 3)
    for groups in ([1.0, np.nan, np.nan, 2.0], [None, "b", "b", None], np.ma.masked_equal([1, 2, 7, 7], 7)):
        with pytest.raises(DataError, match="group_key is missing for 2 of 4 events; give them groups of their own"):
            split(groups, 2)
    with pytest.raises(DataError, match="group_key must hold one group for each event"):
        split(np.array([[1], [2, 3]], dtype=object), 2)
    with pytest.raises(DataError, match="strat_key has 1 groups of group_key with events of class 1, too few for 2"):
        split([0, 0, 0, 1, 1, 2], 2, strata=[0, 1, 1, 0, 0, 0])
