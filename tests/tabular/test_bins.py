"""Bins are quantiles of values of the feature, under the sizes of weights, and never more than asked for."""

import numpy as np
import pytest

from lumin_core import FoldFileWriter, FoldYielder
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_tabular import bins
from lumin_plugin_tabular.bins import checked_bins, fold_bins, quantile_bins

rng = np.random.default_rng(1)
NORMAL = rng.normal(size=1000).astype("float32")
SPIKE = np.where(rng.random(1000) < 0.9, 0, rng.exponential(10, 1000)).astype("float32")


@pytest.mark.parametrize("n_bins", [2, 8, 48])
@pytest.mark.parametrize("values", [NORMAL, SPIKE, SPIKE.round(), -SPIKE], ids=["normal", "spike", "steps", "falling"])
def test_edges_are_values_sorted_distinct_and_span_the_feature(values, n_bins):
    edges = quantile_bins(values, None, n_bins)
    assert 2 <= len(edges) <= n_bins + 1
    assert edges == sorted(set(edges))
    assert set(edges) <= set(values.astype(float))
    assert (edges[0], edges[-1]) == (values.min(), values.max())


@pytest.mark.parametrize("n_bins", [4, 16, 64])
def test_quantiles_are_those_of_numpy_with_each_event_as_often_as_its_weight(n_bins):
    weights = rng.integers(0, 5, len(NORMAL))
    repeated = np.repeat(NORMAL, weights).astype(float)
    expected = np.unique(np.quantile(repeated, np.arange(n_bins + 1) / n_bins, method="inverted_cdf"))
    assert quantile_bins(NORMAL, weights.astype("float32"), n_bins) == expected.tolist()


def test_the_most_frequent_value_leaves_the_others_their_quantiles():
    edges = quantile_bins(SPIKE, None, 16)
    first = np.unique(np.quantile(SPIKE.astype(float), np.arange(17) / 16, method="inverted_cdf"))
    others = SPIKE[SPIKE != 0].astype(float)
    n_left = 16 - len(first)
    second = np.quantile(others, np.arange(n_left + 1) / n_left, method="inverted_cdf")
    assert len(first) < 4
    assert edges == np.union1d(first, second).tolist()
    assert len(edges) >= 15


def test_of_a_spike_between_other_values_both_sides_keep_quantiles():
    edges = np.array(quantile_bins(np.concatenate((NORMAL, np.full(9000, 0.25, "float32"))), None, 32))
    assert 0.25 in edges
    assert min((edges < 0.25).sum(), (edges > 0.25).sum()) >= 8


def test_a_value_that_is_frequent_by_weight_counts_as_such():
    weights = np.append(1e4, np.ones(999))
    assert len(quantile_bins(NORMAL, weights, 16)) >= 15


def test_weights_count_by_size_and_scale_does_not():
    weights = rng.normal(size=len(NORMAL))
    expected = quantile_bins(NORMAL, np.abs(weights), 32)
    assert quantile_bins(NORMAL, weights, 32) == expected == quantile_bins(NORMAL, -4 * weights, 32)
    assert expected != quantile_bins(NORMAL, None, 32)


def test_events_of_weight_zero_and_missing_values_change_nothing():
    values, weights = np.append(NORMAL, [99, np.nan]), np.append(np.ones(1000), [0, 7])
    assert quantile_bins(values, weights, 8) == quantile_bins(NORMAL, None, 8)


def test_where_all_weights_are_zero_each_event_counts():
    assert quantile_bins(NORMAL, np.zeros(1000), 8) == quantile_bins(NORMAL, None, 8)


@pytest.mark.parametrize(
    ("values", "edges"),
    [([3.5] * 9, [3.5]), ([np.nan] * 9, [0.0]), ([], [0.0]), ([np.nan, 2.0], [2.0]), ([0, 1, 1, 0], [0.0, 1.0])],
    ids=["constant", "missing", "empty", "one value", "Boolean"],
)
def test_features_of_one_bin(values, edges):
    assert quantile_bins(np.array(values, "float32"), None, 48) == edges


def test_order_of_events_does_not_matter():
    weights = rng.uniform(1, 2, len(SPIKE))
    order = rng.permutation(len(SPIKE))
    assert quantile_bins(SPIKE[order], weights[order], 16) == pytest.approx(quantile_bins(SPIKE, weights, 16))


@pytest.fixture
def fy(make_fy, tmp_path):
    """Make a file with missing values, and weights of which some are negative."""

    def change(fold, columns):
        columns["inputs"][: fold + 2, 1] = np.nan
        columns["inputs"][:, 0] += 10 * fold
        columns["weights"][::3] *= -1

    path = tmp_path / "events.hdf5"
    make_fy(path, 4, 64, change=change).close()
    with FoldYielder(path) as opened:
        yield opened


def test_bins_of_a_file_are_those_of_its_columns(fy):
    found, weights = fold_bins(fy, ["c", "b"], 8), fy.get_column("weights")
    frame = fy.get_df(inc_inputs=True, nan_to_num=False)
    assert list(found) == ["c", "b"]
    for feat, edges in found.items():
        assert edges == quantile_bins(frame[feat].to_numpy("float32"), weights, 8)


def test_bins_depend_neither_on_the_order_of_features_nor_on_the_others(fy):
    assert fold_bins(fy, ["a", "b", "c"], 8) == fold_bins(fy, ["c", "a", "b"], 8)
    assert fold_bins(fy, ["b"], 8)["b"] == fold_bins(fy, ["a", "b"], 8)["b"]


def test_only_the_folds_that_may_be_looked_at_count(fy):
    assert fold_bins(fy, ["a"], 8, [1])["a"][-1] < 20 < fold_bins(fy, ["a"], 8)["a"][-1]


def test_of_many_events_each_fold_gives_the_same_share_and_always_the_same_events(fy, monkeypatch):
    monkeypatch.setattr(bins, "MOST_EVENTS", 64)
    seen = []
    monkeypatch.setattr(bins, "quantile_bins", lambda values, weights, n_bins: seen.append((values, weights)) or [0.0])
    fold_bins(fy, ["a"], 8)
    fold_bins(fy, ["a"], 8)
    (values, weights), again = seen
    assert (len(values), len(weights)) == (64, 64)
    assert np.histogram(values, [-5, 5, 15, 25, 35])[0].tolist() == [16] * 4
    np.testing.assert_array_equal(values, again[0])


def test_of_many_events_an_empty_fold_gives_none(tmp_path, monkeypatch):
    monkeypatch.setattr(bins, "MOST_EVENTS", 64)
    with FoldFileWriter(tmp_path / "gap", cont_feats=["a"], targ_feats="y") as file:
        for number, n in enumerate((100, 0)):
            file.append(number, inputs=NORMAL[:n, None], targets=np.zeros(n))
    assert len(fold_bins(FoldYielder(tmp_path / "gap.hdf5"), ["a"], 4)["a"]) == 5


def test_edges_are_no_larger_than_bins_may_be():
    edges = quantile_bins(np.array([-3e38, -1.0, 0.0, 1.0, 2e30, 3e38], "float32"), None, 8)
    assert edges == [-bins.LARGEST, -1, 0, 1, bins.LARGEST]
    assert checked_bins({"a": edges}, 8) == {"a": edges}


def test_a_file_without_weights(make_fy, tmp_path):
    with make_fy(tmp_path / "plain.hdf5", weights=False) as plain:
        assert len(fold_bins(plain, ["a"], 4)["a"]) == 5


def test_a_feature_that_the_file_lacks_is_named(fy):
    with pytest.raises(DataError, match="'bb', which is none of the features"):
        fold_bins(fy, ["a", "bb"], 8)


@pytest.mark.parametrize(
    "edges",
    [[], [2.0, 1.0], [1.0, 1.0], [0.0, float("nan")], [0.0, float("inf")], [0.0, 1e31], ["a"], [True, 2.0], None],
    ids=str,
)
def test_what_are_no_edges_is_refused_by_feature(edges):
    with pytest.raises(ConfigError, match="bins of 'pt' must be 1 to 5 numbers that increase"):
        checked_bins({"eta": [1.0], "pt": edges}, 4)


def test_more_edges_than_bins_say_what_allows_them():
    with pytest.raises(ConfigError, match=r"1 to 5 numbers.*n_bins=6 allows that many"):
        checked_bins({"pt": [0, 1, 2, 3, 4, 5, 6]}, 4)
    assert checked_bins({"pt": np.arange(3)}, 4) == {"pt": [0.0, 1.0, 2.0]}


def test_bins_that_are_no_dict_are_refused():
    with pytest.raises(ConfigError, match="dict from feature to edges, got"):
        checked_bins([[0.0, 1.0]], 4)
