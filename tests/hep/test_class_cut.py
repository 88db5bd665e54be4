"""The mean of the best cuts against a brute force, and that all arguments count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_hep.class_cut import binary_class_cut_by_ams
from lumin_plugin_hep.significance import calc_ams


def sample(seed=0, n=400, decimals=2, names=("pred", "gen_target", "gen_weight")):
    rng = np.random.default_rng(seed)
    target = rng.integers(2, size=n)
    pred = np.round(rng.beta(2 + 2 * target, 3 - target), decimals)
    weight = rng.exponential(size=n) * rng.choice([1, 1, 1, 1, -0.3], size=n)
    return pd.DataFrame(dict(zip(names, (pred, target, weight), strict=True)))


def ams_at(df, cut, wgt_factor=1, br=0, syst_unc_b=0):
    chosen = df[df.pred >= cut]
    s, b = (wgt_factor * chosen.gen_weight[chosen.gen_target == k].sum() for k in (1, 0))
    return calc_ams(s, b, br, syst_unc_b) if b + br > 0 and b >= 0 else -1.0


def brute_force(df, top_perc, min_pred, **options):
    """Compute the significance at the prediction of each event, one by one, and rank the events."""
    rows = sorted(((ams_at(df, cut, **options), cut) for cut in df.pred[df.pred >= min_pred]), key=lambda r: -r[0])
    best = [cut for ams, cut in rows if ams >= 0][: max(1, int(top_perc * len(df) / 100))]
    return np.mean(best), ams_at(df, np.mean(best), **options), rows[0][0]


@pytest.mark.parametrize("options", [{}, {"br": 5}, {"syst_unc_b": 0.2}, {"wgt_factor": 4, "br": 1, "syst_unc_b": 0.1}])
@pytest.mark.parametrize(("top_perc", "min_pred"), [(5, 0.6), (0.01, 0.6), (10, 0.3), (100, 0)])
@pytest.mark.parametrize("decimals", [2, 9])
def test_cut_is_that_of_a_brute_force(options, top_perc, min_pred, decimals):
    df = sample(n=150, decimals=decimals)
    found = binary_class_cut_by_ams(df, top_perc, min_pred, **options)
    assert found == pytest.approx(brute_force(df, top_perc, min_pred, **options), rel=1e-12)


def test_fault_stale_column_is_not_reused():
    df = sample()
    first = binary_class_cut_by_ams(df, min_pred=0.5)
    assert list(df) == ["pred", "gen_target", "gen_weight"]
    assert binary_class_cut_by_ams(df.assign(ams=np.arange(len(df))), min_pred=0.5) == first
    assert binary_class_cut_by_ams(df, min_pred=0.5, br=20) != first


def test_fault_names_of_columns_count():
    df = sample()
    other = sample(names=("score", "is_signal", "yield"))
    other["gen_target"], other["gen_weight"], other["pred"] = 1 - other.is_signal, 1.0, 0.95
    options = {"pred_name": "score", "targ_name": "is_signal", "wgt_name": "yield"}
    assert binary_class_cut_by_ams(other, 5, 0.5, **options) == binary_class_cut_by_ams(df, 5, 0.5)
    assert binary_class_cut_by_ams(other[list(options.values())], 5, 0.5, **options)


def test_cuts_below_the_lowest_never_count():
    """LUMIN fills up what the percentage asks for with cuts that were not considered."""
    df = sample()
    cut, _, _ = binary_class_cut_by_ams(df, top_perc=100, min_pred=0.6)
    assert 0.6 <= cut <= 1
    assert cut == pytest.approx(brute_force(df, 100, 0.6)[0])


def test_significance_is_that_of_the_events_selected_in_single_precision():
    df = sample(decimals=9).astype({"pred": "float32"})
    cut, ams, max_ams = binary_class_cut_by_ams(df, min_pred=0.5, br=1)
    assert np.float32(cut) == cut
    assert ams == pytest.approx(ams_at(df, cut, br=1), rel=1e-12)
    assert 0 < ams <= max_ams


def test_predictions_may_be_counts():
    df = sample().assign(pred=lambda df: (100 * df.pred).round())
    expected = binary_class_cut_by_ams(df, min_pred=50)
    assert binary_class_cut_by_ams(df.astype({"pred": "uint8"}), min_pred=50) == pytest.approx(expected)


def test_bad_input_is_refused():
    df = sample()
    with pytest.raises(DataError, match=r"no cut from min_pred=2 on leaves positive background: .*; lower min_pred"):
        binary_class_cut_by_ams(df, min_pred=2)
    with pytest.raises(DataError, match=r"that of background none, as there is no background"):
        binary_class_cut_by_ams(df[df.gen_target == 1], min_pred=0)
    with pytest.raises(DataError, match=r"no column 'prd'; did you mean 'pred'\?"):
        binary_class_cut_by_ams(df, pred_name="prd")
    for min_pred in (float("nan"), "0.9", None):
        with pytest.raises(ConfigError, match=r"min_pred must be a number, got"):
            binary_class_cut_by_ams(df, min_pred=min_pred)
    for top_perc in (0, -1, 101, float("nan"), "5"):
        with pytest.raises(ConfigError, match=r"top_perc must be a percentage above 0 and up to 100, got"):
            binary_class_cut_by_ams(df, top_perc=top_perc)
    with pytest.raises(ConfigError, match=r"wgt_factor must be positive and finite, got 0"):
        binary_class_cut_by_ams(df, wgt_factor=0)
