"""Sculpting: distributions, efficiencies and divergences against numpy and scipy."""

import numpy as np
import pytest
from drawings import SMALL, check_redrawn, texts
from scipy.spatial.distance import jensenshannon

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import PlotSettings, plot_sculpting


def events(n=500, seed=1):
    rng = np.random.default_rng(seed)
    mass = 60 + rng.exponential(40, n)
    return {
        "mass": np.where(rng.random(n) < 0.03, np.nan, mass),
        "pred": np.clip(mass / 300 + rng.normal(0, 0.2, n), 0, 1),
        "gen_target": (rng.random(n) < 0.3).astype(int),
        "gen_weight": rng.choice([1.0, -1.0], n, p=[0.88, 0.12]),
    }


@pytest.mark.usefixtures("undrawn")
def test_numbers_are_those_of_numpy_and_scipy():
    df, edges = events(), [60, 80, 110, 400]
    plot = plot_sculpting(df, "mass", 0.4, bins=edges, settings=SMALL)
    is_background, passing = df["gen_target"] == 0, df["pred"] >= 0.4
    before, after = (
        np.histogram(df["mass"][of], edges, weights=df["gen_weight"][of])[0]
        for of in (is_background, is_background & passing)
    )
    np.testing.assert_allclose(plot.numbers.histograms["before"].values(), before)
    np.testing.assert_allclose(plot.numbers.histograms["pred ≥ 0.4"].values(), after)
    found = plot.numbers.about["cuts"]["pred ≥ 0.4"]
    assert found["divergence"] == pytest.approx(jensenshannon(before, after, base=2) ** 2, abs=1e-9)
    w = df["gen_weight"]
    assert found["efficiency"] == pytest.approx(w[is_background & passing].sum() / w[is_background].sum())
    assert found["p_value"] < 0.05
    assert plot.numbers.about["missing"] == np.isnan(df["mass"][is_background]).sum()


def test_bins_that_are_not_positive_are_merged_and_said():
    df = {"mass": [1.0, 1, 2, 2, 3, 3], "pred": [0.9, 0.1, 0.9, 0.1, 0.9, 0.1], "gen_weight": [1.0, 1, -1, 3, 2, 2]}
    plot = plot_sculpting(df, "mass", 0.5, targ_name=None, bins=[0, 1.5, 2.5, 4], settings=SMALL)
    found = plot.numbers.about["cuts"]["pred ≥ 0.5"]
    assert found["merged"] == 1
    assert found["divergence"] == pytest.approx(jensenshannon([2, 6], [1, 1], base=2) ** 2, abs=1e-9)
    assert any("merged with a neighbour" in text for text in texts(plot))
    assert "all events, before" in texts(plot)


def test_the_figure_is_that_of_its_numbers_and_is_labelled(tmp_path):
    settings = PlotSettings(dpi=40, size=(4, 3), names={"mass": "m"}, units={"mass": "GeV"})
    plot = plot_sculpting(events(), "mass", [0.3, 0.5], bins=8, settings=settings)
    check_redrawn(plot, tmp_path)
    written = texts(plot)
    for text in ("m [GeV]", "Density [1/GeV]", "after / before", "background, before"):
        assert text in written
    assert sum(text.startswith("pred ≥ 0.") and "JSD = " in text for text in written) == 2
    assert any(text.startswith("JSD: Jensen-Shannon") and "Missing: " in text for text in written)


def test_cuts_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="cut must be a number"):
        plot_sculpting(events(), "mass", "tight", settings=SMALL)
    with pytest.raises(DataError, match="give a lower cut"):
        plot_sculpting(events(), "mass", 2, settings=SMALL)
    with pytest.raises(DataError, match="no background"):
        plot_sculpting({"m": [1.0], "pred": [1.0], "gen_target": [1]}, "m", 0.5, settings=SMALL)
