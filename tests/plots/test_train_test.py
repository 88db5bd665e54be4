"""Training against test: distances of each class against scipy, and what is said in the figure."""

import numpy as np
import pandas as pd
import pytest
from drawings import SMALL, check_redrawn, texts
from scipy.stats import ks_2samp

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import plot_train_test
from lumin_plugin_plots.two_samples import distance_test


def events(n=300, seed=1, negative=0.12):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    return pd.DataFrame(
        {
            "pred": rng.beta(2 + 2 * truth, 4 - 2 * truth),
            "oof": rng.beta(2 + 2 * truth, 4 - 2 * truth),
            "gen_target": truth,
            "gen_weight": rng.choice([1.0, -1.0], n, p=[1 - negative, negative]),
            "is_test": rng.random(n) < 0.4,
            "is_hard": rng.random(n) < 0.7,
        }
    )


@pytest.mark.usefixtures("undrawn")
def test_distances_are_those_of_scipy_class_by_class():
    df = events(negative=0)
    found = plot_train_test(df, "is_test", settings=SMALL).numbers.about["distances"]
    for name, truth in (("background", 0), ("signal", 1)):
        parts = [df.pred[(df.gen_target == truth) & (df.is_test == is_test)] for is_test in (False, True)]
        assert found[name]["distance"] == pytest.approx(ks_2samp(*parts).statistic, abs=1e-12)


@pytest.mark.usefixtures("undrawn")
def test_signed_weights_stay_with_their_events():
    df = events()
    plot = plot_train_test(df, "is_test", seed=3, settings=SMALL)
    signal = df[df.gen_target == 1].sort_values("is_test", kind="stable")
    expected = distance_test(*(signal[name].to_numpy() for name in ("pred", "gen_weight", "is_test")), seed=3)
    assert plot.numbers.about["distances"]["signal"] == expected._asdict()
    for is_test, label in ((False, "training"), (True, "test")):
        of = signal[signal.is_test == is_test]
        found = plot.numbers.histograms[f"signal: {label}"]
        np.testing.assert_allclose(found.values(), np.histogram(of.pred, 25, (0, 1), weights=of.gen_weight)[0])


@pytest.mark.usefixtures("undrawn")
def test_a_column_two_frames_and_masks_are_the_same():
    df = events()
    expected = plot_train_test(df, "is_test", mask="is_hard", bins=9, settings=SMALL).numbers
    parts = plot_train_test(df[~df.is_test], df[df.is_test], mask="is_hard", bins=9, settings=SMALL).numbers
    masked = plot_train_test(df, "is_test", mask=df.is_hard.to_numpy(), bins=9, settings=SMALL).numbers
    assert expected.to_text() == parts.to_text() == masked.to_text()


def test_out_of_fold_predictions_are_taken_and_said():
    df = events()
    plot = plot_train_test(df, "is_test", out_of_fold="oof", bins=9, settings=SMALL)
    of = df[~df.is_test & (df.gen_target == 0)]
    expected = np.histogram(of.oof, 9, (0, 1), weights=of.gen_weight)[0]
    np.testing.assert_allclose(plot.numbers.histograms["background: training"].values(), expected)
    assert "signal, training, out of fold" in texts(plot)


def test_the_figure_is_that_of_its_numbers_and_is_labelled(tmp_path):
    plot = plot_train_test(events(), "is_test", settings=SMALL)
    check_redrawn(plot, tmp_path)
    written = texts(plot)
    of = plot.numbers.about["distances"]["signal"]
    assert f"signal, test: D = {of['distance']:.3f}, p = {of['p_value']:.2g}" in written
    for text in ("score (pred)", "Density", "test / train", "background, training"):
        assert text in written
    assert not any("out of fold" in text for text in written)


def test_a_class_whose_weights_cancel_has_no_distance():
    df = events()
    df.loc[(df.gen_target == 1) & df.is_test, "gen_weight"] = -1.0
    plot = plot_train_test(df, "is_test", settings=SMALL)
    assert np.isnan(plot.numbers.about["distances"]["signal"]["p_value"])
    assert "signal, test (weights have no positive sum)" in texts(plot)


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_compared_is_refused():
    df = events()
    with pytest.raises(ConfigError, match="both samples"):
        plot_train_test(df, df, mask=df.is_hard.to_numpy(), settings=SMALL)
    with pytest.raises(DataError, match="same classes"):
        plot_train_test(df, df[df.gen_target == 1], settings=SMALL)
    with pytest.raises(DataError, match="did you mean 'is_test'"):
        plot_train_test(df, "is_tets", settings=SMALL)
