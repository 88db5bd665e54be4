"""Weighted correlations against scipy, pandas and written-out sums."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lumin_plugin_plots.correlations import groups_of, matrix, order_of, pearson, ranks, tree


def sample(n=80, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).round(1)
    x[:, 1] += x[:, 0]
    x[:, 3] -= 2 * x[:, 2]
    return x, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_coefficients_are_those_of_pandas_for_repeated_events(method):
    columns, times = sample()
    often = pd.DataFrame(np.repeat(columns, times.astype(int), axis=0))
    np.testing.assert_allclose(matrix(columns, times, method), often.corr(method), atol=1e-9)


def test_unweighted_ranks_give_the_coefficient_of_scipy():
    columns, _ = sample()
    expected = stats.spearmanr(columns[:, 0], columns[:, 1]).statistic
    assert matrix(columns[:, :2], np.ones(80))[0, 1] == pytest.approx(expected, abs=1e-12)


def test_signed_weights_give_the_written_out_sums():
    columns, times = sample()
    w = times * np.random.default_rng(2).choice([1, -1], 80, p=[0.88, 0.12])
    x, y = ((w * (np.heaviside(of[:, None] - of, 0.5))).sum(axis=1) for of in columns[:, :2].T)
    np.testing.assert_allclose(ranks(columns[:, 0], w), x)
    a, b = x - (w * x).sum() / w.sum(), y - (w * y).sum() / w.sum()
    expected = (w * a * b).sum() / np.sqrt((w * a * a).sum() * (w * b * b).sum())
    found = matrix(columns, w)
    assert found[0, 1] == found[1, 0] == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(np.diag(found), 1)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_pairs_leave_out_the_events_that_lack_one(method):
    columns, _ = sample()
    columns[:7, 0], columns[5:20, 2] = np.nan, np.inf
    expected = pd.DataFrame(columns).replace(np.inf, np.nan).corr(method)
    np.testing.assert_allclose(matrix(columns, np.ones(80), method), expected, atol=1e-9)


def test_constants_and_sums_that_are_not_positive_have_no_coefficient():
    columns, _ = sample()
    columns[:, 0] = 0.3
    found = matrix(columns, np.ones(80))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1:, 1:]).all()
    assert np.isnan(matrix(columns, -np.ones(80))).all()
    assert np.isnan(pearson(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([2.0, -1.0])))


def test_an_event_of_weight_zero_changes_nothing():
    columns, times = sample()
    more = np.vstack([columns, np.full((1, 4), 99.0)])
    np.testing.assert_allclose(matrix(more, np.append(times, 0.0)), matrix(columns, times))


def test_groups_are_those_columns_that_go_together():
    columns, times = sample()
    joined = tree(matrix(columns, times))
    assert groups_of(joined, 0.6) == [[0, 1], [2, 3]] or groups_of(joined, 0.6) == [[2, 3], [0, 1]]
    assert groups_of(joined, 0.0) == [[0, 1, 2, 3]]
    order = order_of(joined)
    assert {tuple(sorted(order[:2])), tuple(sorted(order[2:]))} == {(0, 1), (2, 3)}
    assert (np.diff(joined[:, 2]) >= 0).all()
