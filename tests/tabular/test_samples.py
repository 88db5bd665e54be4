"""Samples of data frames keep shares and sums of weights; rows of ids are numbered without a collision."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lumin_core import FoldYielder, df2foldfile
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_tabular import ids2unique, subsample_df

DF = pd.DataFrame(
    {
        "is_signal": [0] * 60 + [1] * 40,
        "process": ["tt", "Z", "Z", "W"] * 25,
        "weight": np.linspace(0.5, 2, 100),
        "event": np.arange(100),
    }
)


def sample(n_samples=30, df=DF, objective="classification", **options):
    return subsample_df(df, objective, "is_signal", n_samples, **({"seed": 1} | options))


def test_rows_are_drawn_once_and_stay_in_order():
    before = DF.copy()
    drawn = sample()
    assert len(drawn) == drawn["event"].nunique() == 30
    pd.testing.assert_frame_equal(drawn, DF.loc[drawn.index])
    assert drawn.index.is_monotonic_increasing
    assert len(DF.drop(drawn.index)) == 70
    pd.testing.assert_frame_equal(DF, before)
    assert sample().equals(drawn)
    assert not sample(seed=2).equals(drawn)


@pytest.mark.parametrize("n", [1, 7, 30, 99, 100])
def test_classes_keep_their_shares(n):
    counts = sample(n, strat_key="process")["process"].value_counts()
    assert counts.sum() == n
    assert all(abs(counts.get(name, 0) - n * share) < 1 for name, share in {"tt": 0.25, "Z": 0.5, "W": 0.25}.items())


def test_a_bootstrap_draws_as_many_rows_as_there_are():
    drawn = sample(None, replace=True)
    assert len(drawn) == 100
    assert 55 < drawn["event"].nunique() < 72  # 63 on average
    assert len(sample(150, replace=True)) == 150
    assert sample(None, replace=True, strat_key="is_signal")["is_signal"].sum() == 40


@pytest.mark.parametrize("options", [{}, {"replace": True}, {"strat_key": "process"}])
def test_weights_sum_to_what_they_did(options):
    drawn = sample(wgt_name="weight", **options)
    sums = DF.groupby("is_signal")["weight"].sum()
    pd.testing.assert_series_equal(drawn.groupby("is_signal")["weight"].sum(), sums)
    assert sample(wgt_name="weight", objective="classifier").equals(sample(wgt_name="weight"))
    ratios = drawn["weight"] / DF["weight"].to_numpy()[drawn["event"]]
    assert ratios.groupby(drawn["is_signal"]).std().max() < 1e-12
    regression = sample(wgt_name="weight", objective="regression", **options)
    assert regression["weight"].sum() == pytest.approx(DF["weight"].sum())
    whole = sample(wgt_name="weight", df=DF.assign(weight=1))
    assert whole["weight"].sum() == pytest.approx(100)  # whole numbers become others


def test_fault_labels_that_are_there_twice_are_rows_of_their_own():
    """LUMIN gives 200 rows of a concatenated frame where 100 were asked for."""
    twice = pd.concat([DF, DF])
    assert len(sample(100, df=twice)) == len(sample(100, df=twice, strat_key="process")) == 100


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_samples": None}, ConfigError, "n_samples=None without replace=True gives every row"),
        ({"n_samples": 101}, DataError, "n_samples=101 cannot be drawn from 100 rows; take fewer, or replace=True"),
        ({"n_samples": 0}, ConfigError, "n_samples must be a positive integer"),
        ({"n_samples": 0.5}, ConfigError, "n_samples must be a positive integer"),
        ({"replace": "no"}, ConfigError, "True or False is needed, got replace='no'"),
        ({"strat_key": "proces"}, DataError, "no column 'proces'; did you mean 'process'"),
        ({"wgt_name": "wgt"}, DataError, "no column 'wgt'"),
        ({"wgt_name": "process"}, DataError, "the column 'process' of the data must hold numbers, got text"),
        ({"objective": "clustering"}, ConfigError, "objective must be one of"),
        ({"n_samples": 1, "wgt_name": "weight"}, DataError, "the weights of the rows drawn of a class must not sum to"),
        ({"df": DF[:0]}, DataError, "n_samples=30 cannot be drawn from 0 rows"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        sample(**options)


def test_weights_that_change_their_sign_are_refused():
    df = pd.DataFrame({"is_signal": [0, 0], "weight": [-1.0, 3.0]})
    seed = next(seed for seed in range(20) if sample(1, df, seed=seed)["weight"].iloc[0] < 0)
    with pytest.raises(DataError, match="sum to another sign than those of all of it: draw more rows"):
        sample(1, df, seed=seed, wgt_name="weight")


@pytest.mark.parametrize(
    "ids",
    [
        [(1, 10), (11, 0), (1, 10), (0, 5), (5, 0)],
        np.array([[1, 10], [11, 0], [1, 10], [0, 5], [5, 0]]),
        np.array([[2**62, -1], [2**62 + 1, -1], [2**62, -1], [-1, 2**62], [0, 0]]),
        [("tt", 1), ("tt", 2), ("tt", 1), ("Z", 1), ("Z", 2)],
        pd.DataFrame({"run": [1, 1, 1, 2, 2], "event": [7, 8, 7, 7, 8]}),
        {"file": ["a", "b", "a", "a", "b"], "event": [1, 1, 1, 2, 2]},
        np.array([(1, 2.5), (1, 3.5), (1, 2.5), (2, 2.5), (2, 3.5)], dtype=[("run", int), ("t", float)]),
    ],
)
def test_fault_rows_of_ids_are_numbered_without_a_collision(ids):
    """LUMIN's products of primes leave 64 bits from an id of 64 on, text and negative ids fail."""
    assert ids2unique(ids).tolist() == [0, 1, 0, 2, 3]
    assert ids2unique(ids).dtype == np.int64


def test_rows_that_are_appended_leave_the_numbers_of_before():
    ids = np.random.default_rng(1).integers(0, 30, (1000, 3))
    numbers = ids2unique(ids)
    np.testing.assert_array_equal(ids2unique(ids[:400]), numbers[:400])
    _, expected = np.unique(ids, axis=0, return_inverse=True)
    assert len(np.unique(np.stack((numbers, expected.reshape(-1))), axis=1).T) == numbers.max() + 1


def test_ids_that_are_no_rows_are_refused():
    for ids in ([1, 2, 3], [(1, 2), (1,)], np.ones((2, 2, 2))):
        with pytest.raises(ShapeError, match=r"ids must be rows of as many ids each, shape \(n, k\)"):
            ids2unique(ids)
    with pytest.raises(ShapeError, match="got none"):
        ids2unique(pd.DataFrame(index=[0, 1]))
    with pytest.raises(DataError, match="ids must not be missing, got 1 in column 'run'"):
        ids2unique({"event": [1, 2], "run": [1.0, np.nan]})
    assert ids2unique(np.empty((0, 2))).tolist() == []


def test_runs_and_events_are_one_key_of_groups(tmp_path):
    df = pd.DataFrame({"run": [1, 1, 2, 2] * 6, "event": [1, 2, 1, 2] * 6, "pt": np.arange(24.0), "y": [0, 1] * 12})
    df["collision"] = ids2unique(df[["run", "event"]])
    path = df2foldfile(df, 4, ["pt"], [], "y", tmp_path / "a", "int", group_key="collision", misc_feats=["collision"])
    fy = FoldYielder(path)
    assert sorted(set(fy.get_column("collision", fold_idx=i)).pop() for i in range(4)) == [0, 1, 2, 3]
    assert fy.schema.with_role("group") == ["collision"]
