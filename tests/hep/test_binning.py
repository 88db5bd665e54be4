"""What every binning must hold, for weights of either sign, and that all arguments count."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep.binning import bin_binary_class_pred

SAMPLES = ["ttbar", "dy", "higgs"]


def sample(seed=0, n=3000, sign="positive", dtype="float64"):
    rng = np.random.default_rng(seed)
    which = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    weight = rng.exponential(size=n)
    if sign == "negative":
        weight *= rng.choice([1, 1, 1, 1, -0.5, 0], size=n)
    df = pd.DataFrame({
        "pred": rng.beta(1 + 2 * (which == 2), 1 + (which != 2)).astype(dtype),
        "gen_sample": np.array(SAMPLES)[which],
        "gen_target": (which == 2).astype(int),
        "gen_weight": weight,
    })  # fmt: skip
    df.loc[:1, "pred"] = [0, 1]
    return df


def uncertainties(df, edges, by="gen_sample", weights="gen_weight"):
    """Compute the relative uncertainty of each sample in each bin, shape ``(n_samples, n_bins)``."""
    w = np.ones(len(df)) if weights is None else df[weights].to_numpy()
    rows = []
    for label in sorted(set(df[by])):
        chosen = (df[by] == label).to_numpy()
        total = np.histogram(df.pred[chosen], edges, weights=w[chosen])[0]
        rows.append(np.sqrt(np.histogram(df.pred[chosen], edges, weights=w[chosen] ** 2)[0]) / total)
    return np.array(rows)


@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("max_unc", "step_sz"), [(0.1, 1e-3), (0.2, 1e-2), (0.3, 0.03), (0.5, 1.0)])
def test_every_bin_holds_enough_of_every_sample(sign, dtype, max_unc, step_sz):
    df = sample(1, 12_000, sign, dtype)
    edges = bin_binary_class_pred(df, max_unc, step_sz=step_sz)
    assert edges[0] == 0
    assert edges[-1] == 1
    assert (np.diff(edges) > 0).all()
    values = uncertainties(df, edges)
    assert ((values > 0) & (values <= max_unc * (1 + 1e-9))).all()
    assert len(edges) >= 3 or step_sz == 1
    on_grid = edges[1:-1] / step_sz
    np.testing.assert_allclose(on_grid, np.round(on_grid), atol=1e-6)


def test_bins_are_as_fine_as_they_may_be():
    """From the top down, one step less would be too fine; the lowest bin may be coarser."""
    df = sample(2)
    edges = bin_binary_class_pred(df, 0.15)
    for low, high in pairwise(edges[1:]):
        narrower = [low + 1e-3, high if high < 1 else 1.1]
        with np.errstate(divide="ignore", invalid="ignore"):
            assert not (uncertainties(df, narrower) <= 0.15).all()


def test_fault_weighted_events_count_as_their_effective_number():
    """100 equal events are known to 10 %; with one that weighs as much as 50 others they are not."""
    df = pd.DataFrame({"pred": np.linspace(0.5, 1, 100), "gen_sample": "a", "gen_weight": 1.0})
    assert bin_binary_class_pred(df, 0.1).tolist() == [0, 1]
    df.loc[50, "gen_weight"] = 50.0
    with pytest.raises(DataError, match=r"not even one bin holds enough events for max_unc=0.1 of 'a'"):
        bin_binary_class_pred(df, 0.1)
    assert bin_binary_class_pred(df, 0.1, wgt_name=None).tolist() == [0, 1]


def test_fault_lowest_bin_is_checked():
    """Twenty events at the top make two bins of ten, but the five at the bottom are too few for one."""
    preds = np.append(np.linspace(0.55, 1, 20), np.linspace(0, 0.1, 5))
    df = pd.DataFrame({"pred": preds, "gen_sample": "a", "gen_weight": 1.0})
    edges = bin_binary_class_pred(df, 1 / np.sqrt(10), step_sz=0.01)
    assert np.histogram(preds, edges)[0].tolist() == [15, 10]


def test_fault_lowest_bin_of_a_heavy_event_takes_more_bins_until_it_is_known():
    df = pd.DataFrame({"pred": np.linspace(0, 1, 101), "gen_sample": "a", "gen_weight": 1.0})
    df.loc[0, "gen_weight"] = 20.0
    edges = bin_binary_class_pred(df, 0.3, step_sz=0.01)
    assert (uncertainties(df, edges) <= 0.3).all()
    assert 2 < len(edges) < len(bin_binary_class_pred(df, 0.3, step_sz=0.01, wgt_name=None))


def test_fault_predictions_of_zero_and_one_are_in_a_bin():
    preds = np.repeat([0.0, 1.0], 10)
    df = pd.DataFrame({"pred": preds, "gen_sample": "a", "gen_weight": 1.0})
    edges = bin_binary_class_pred(df, 1 / np.sqrt(10), step_sz=0.25)
    assert edges.tolist() == [0, 0.75, 1]
    assert np.histogram(preds, edges)[0].tolist() == [10, 10]


def test_fault_uncertainty_is_not_rounded():
    """0.3 takes 11.1 events, which is 12 and not 11."""
    df = pd.DataFrame({"pred": np.linspace(0, 1, 24), "gen_sample": "a", "gen_weight": 1.0})
    assert np.histogram(df.pred, bin_binary_class_pred(df, 0.3))[0].tolist() == [12, 12]
    assert bin_binary_class_pred(df[:23], 0.3).tolist() == [0, 1]


def test_considered_samples_and_classes_count():
    df = sample(3)
    every = bin_binary_class_pred(df, 0.2)
    for chosen in ("higgs", ["higgs"], ("higgs",)):
        higgs = bin_binary_class_pred(df, 0.2, consider_samples=chosen)
        np.testing.assert_array_equal(higgs, bin_binary_class_pred(df[df.gen_sample == "higgs"], 0.2))
    assert len(higgs) >= len(every)
    classes = bin_binary_class_pred(df, 0.2, compact_samples=True)
    assert (uncertainties(df, classes, by="gen_target") <= 0.2).all()
    assert len(classes) >= len(every)
    two = {"gen_target": df.gen_target, "pred": df.pred, "gen_weight": df.gen_weight}
    np.testing.assert_array_equal(bin_binary_class_pred(two, 0.2, compact_samples=True), classes)


def test_names_of_columns_count():
    names = {"pred": "score", "gen_sample": "process", "gen_target": "label", "gen_weight": "w"}
    options = {"pred_name": "score", "sample_name": "process", "class_name": "label", "wgt_name": "w"}
    df = sample(4)
    for more in ({}, {"compact_samples": True}, {"add_pure_signal_bin": True}):
        found = bin_binary_class_pred(df.rename(columns=names), 0.2, **options, **more)
        np.testing.assert_array_equal(found, bin_binary_class_pred(df, 0.2, **more))


def pure(n_signal, weight=1.0):
    """Background up to 0.55, signal everywhere, and more of it from 0.6 on."""
    preds = np.concatenate([np.linspace(0, 0.55, 50), np.linspace(0, 0.55, 50), np.linspace(0.6, 1, n_signal)])
    target = np.repeat([0, 1], [50, 50 + n_signal])
    weights = np.append(np.ones(100), np.resize([1.0, weight], n_signal))
    labels = np.where(target == 1, "sig", "bkg")
    return pd.DataFrame({"pred": preds, "gen_target": target, "gen_sample": labels, "gen_weight": weights})


def test_pure_signal_bin_holds_signal_that_is_known():
    edges = bin_binary_class_pred(pure(100), 0.25, step_sz=0.05, add_pure_signal_bin=True)
    assert edges[-2] == pytest.approx(0.6)
    assert (uncertainties(pure(100), edges[:-1]) <= 0.25).all()
    for few in (pure(99), pure(100, weight=3.0)):
        plain = bin_binary_class_pred(few, 0.25, step_sz=0.05)
        assert plain[-2] < 0.6
        np.testing.assert_array_equal(
            bin_binary_class_pred(few, 0.25, step_sz=0.05, add_pure_signal_bin=True), plain
        )  # fmt: skip
    edges = bin_binary_class_pred(pure(25), 0.25, step_sz=0.05, add_pure_signal_bin=True, max_unc_pure_signal=0.2)
    assert edges[-2] == pytest.approx(0.6)


def test_pure_signal_bin_needs_room():
    """There is none above background at 1, and nothing but it where there is no background."""
    df = pure(100)
    df.loc[0, "pred"] = 1.0
    for other in (df, df[df.gen_target == 1]):
        plain = bin_binary_class_pred(other, 0.25)
        np.testing.assert_array_equal(bin_binary_class_pred(other, 0.25, add_pure_signal_bin=True), plain)


def test_order_index_and_events_of_weight_zero_change_nothing():
    df = sample(5)
    expected = bin_binary_class_pred(df, 0.2, add_pure_signal_bin=True)
    before = df.copy()
    nothing = pd.DataFrame({"pred": [1.0, 0.0], "gen_sample": ["x", "dy"], "gen_target": [0, 0], "gen_weight": 0.0})
    for other in (df.sample(frac=1, random_state=1), df.set_index(df.index + 7), pd.concat([df, nothing])):
        np.testing.assert_array_equal(bin_binary_class_pred(other, 0.2, add_pure_signal_bin=True), expected)
    pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"consider_samples": ["higs"]}, r"no events of the sample 'higs'; did you mean 'higgs'\?"),
        ({"consider_samples": []}, r"at least one sample"),
        ({"pred_name": "prd"}, r"no column 'prd'; did you mean 'pred'\?"),
        ({"sample_name": "gen_samples"}, r"no column 'gen_samples'; did you mean 'gen_sample'\?"),
        ({"class_name": "y", "compact_samples": True}, r"no column 'y'"),
        (
            {"wgt_name": "gen_weigth"},
            r"did you mean 'gen_weight'\?; pass wgt_name=, or wgt_name=None for weights of one",
        ),
        ({"max_unc": 1e-3}, r"max_unc=0.001 of 'dy', 'higgs', 'ttbar'; allow a larger one, name fewer"),
    ],
)
def test_bad_names_and_too_few_events_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        bin_binary_class_pred(sample().sort_values("gen_sample"), **{"max_unc": 0.2, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"max_unc": 0},
        {"max_unc": "0.2"},
        {"max_unc_pure_signal": -1},
        {"max_unc_pure_signal": float("nan")},
        {"step_sz": 0},
        {"step_sz": 1.5},
        {"step_sz": "0.1"},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=rf"{next(iter(options))} must be"):
        bin_binary_class_pred(sample(), **{"max_unc": 0.2, **options})


def test_bad_values_are_refused():
    df = sample()
    with pytest.raises(DataError, match=r"'pred' must be from 0 to 1, got 0 to 2"):
        bin_binary_class_pred(df.assign(pred=2 * df.pred), 0.2)
    with pytest.raises(DataError, match=r"'pred' must be finite"):
        bin_binary_class_pred(df.assign(pred=np.nan), 0.2)
    with pytest.raises(DataError, match=r"at least one sample with events of non-zero weight is needed"):
        bin_binary_class_pred(df[:0], 0.2)
    arrays = {name: df[name].to_numpy() for name in df}
    with pytest.raises(DataError, match=r"column 'gen_sample' must be numbers in an array of one shape"):
        bin_binary_class_pred({**arrays, "gen_sample": [[1], *[[1, 2]] * (len(df) - 1)]}, 0.2)
    with pytest.raises(DataError, match=r"a sample must be text or a number, .*unhashable"):
        bin_binary_class_pred(df.assign(gen_sample=[[1]] * len(df)), 0.2)
    for short in ("gen_weight", "gen_sample"):
        with pytest.raises(ShapeError, match=r"columns must have one length, got"):
            bin_binary_class_pred({**arrays, short: arrays[short][:5]}, 0.2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["0", "1"], r"'gen_target' must hold numbers, got text"),
        (pd.Categorical(["0", "1"]), r"'gen_target' must hold numbers, got text"),
        (np.array([0, 1], dtype="datetime64[s]"), r"'gen_target' must hold numbers, got dates"),
        ([0, 0.5], r"'gen_target' must be 0 \(background\) or 1 \(signal\), got \[0.5\] too"),
        ([0, 2], r"got \[2\] too"),
    ],
    ids=str,
)
def test_pure_signal_needs_classes_of_zero_and_one(values, message):
    is_signal = np.arange(400) >= 250
    df = {"pred": np.linspace(0, 1, 400), "gen_sample": is_signal, "gen_weight": np.ones(400)}
    options = {"max_unc": 0.2, "consider_samples": [False], "step_sz": 0.05, "add_pure_signal_bin": True}
    for as_class in (bool, int, float):  # background ends at 0.624
        assert bin_binary_class_pred({**df, "gen_target": is_signal.astype(as_class)}, **options)[-2] == 0.65
    wrong = pd.Series(values).take(is_signal.astype(int))
    with pytest.raises(DataError, match=message):
        bin_binary_class_pred({**df, "gen_target": wrong}, **options)
