from types import SimpleNamespace

import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_metrics import background_rejection
from lumin_plugin_plots import PlotSettings, plot_efficiency, redraw
from lumin_plugin_plots.binning import into_bins
from lumin_plugin_plots.tagging import Tagged

SMALL = PlotSettings(dpi=40, names={"pt": "$p_T$"}, units={"pt": "GeV"})
EDGES = [0, 20, 40, 100]


@pytest.fixture
def undrawn(monkeypatch):
    """Spare the drawing where only numbers are looked at."""
    monkeypatch.setattr(
        "lumin_plugin_plots.efficiency.drawn", lambda numbers, settings: SimpleNamespace(numbers=numbers)
    )


def sample(n=1500, seed=1, negative=0.12):
    rng = np.random.default_rng(seed)
    truth, pt = rng.integers(2, size=n), rng.exponential(30, size=n)
    score = np.round(1 / (1 + np.exp(-rng.normal(2 * truth - 1 + pt / 100, 1))), 3)
    weights = rng.uniform(0.5, 1.5, size=n) * np.where(rng.random(n) < negative, -1, 1)
    return {"pt": pt, "pred": score, "other": np.clip(score + rng.normal(0, 0.1, n), 0, 1), "gen_target": truth,
            "gen_weight": weights}  # fmt: skip


def in_bin(data, i):
    return (data["pt"] >= EDGES[i]) & (data["pt"] < EDGES[i + 1])


def test_numbers_at_a_cut_are_sums_of_signed_weights(undrawn):
    data = sample()
    curve = plot_efficiency(data, "pt", cut=0.6, bins=EDGES, settings=SMALL).numbers.curves["pred"]
    w, passed = data["gen_weight"], data["pred"] >= 0.6
    for i in range(3):
        signal = in_bin(data, i) & (data["gen_target"] == 1)
        background = in_bin(data, i) & (data["gen_target"] == 0)
        assert curve["signal"][i] == pytest.approx(w[signal & passed].sum() / w[signal].sum(), rel=1e-6)
        eff = w[background & passed].sum() / w[background].sum()
        assert curve["rejection"][i] == pytest.approx(1 / eff, rel=1e-6)
        variance = (1 - eff) ** 2 * (w[background & passed] ** 2).sum() + eff**2 * (w[background & ~passed] ** 2).sum()
        assert curve["background_error"][i] == pytest.approx(np.sqrt(variance) / w[background].sum(), rel=1e-6)
        assert curve["rejection_error"][i] == pytest.approx(curve["background_error"][i] / eff**2, rel=1e-6)


def test_numbers_of_positive_weights_are_those_of_hist(undrawn):
    hist = pytest.importorskip("hist")
    data = sample(negative=0)
    curve = plot_efficiency(data, "pt", cut=0.6, bins=EDGES, settings=SMALL).numbers.curves["pred"]
    signal = data["gen_target"] == 1
    filled = [hist.Hist(hist.axis.Variable(EDGES), storage=hist.storage.Weight()) for _ in range(2)]
    for each, chosen in zip(filled, (signal & (data["pred"] >= 0.6), signal), strict=True):
        each.fill(data["pt"][chosen], weight=data["gen_weight"][chosen])
    np.testing.assert_allclose(curve["signal"], filled[0].values() / filled[1].values(), rtol=1e-6)


def test_rejection_at_an_efficiency_is_the_metrics(undrawn):
    data = sample()
    curve = plot_efficiency(data, "pt", efficiency=0.7, bins=EDGES, settings=SMALL).numbers.curves["pred"]
    for i in range(3):
        args = [data[name][in_bin(data, i)] for name in ("pred", "gen_target", "gen_weight")]
        assert curve["rejection"][i] == pytest.approx(background_rejection(*args, signal_efficiency=0.7), rel=1e-6)
        assert curve["signal"][i] >= 0.7 - 1e-9


@pytest.mark.parametrize("working_point", [{"cut": 0.6}, {"efficiency": 0.7}])
def test_bands_enclose_the_values_and_no_error_is_negative(undrawn, working_point):
    curve = plot_efficiency(sample(), "pt", **working_point, bins=EDGES, settings=SMALL).numbers.curves["pred"]
    for name in ("background", "rejection"):
        low95, low, high, high95 = (curve[f"{name}_sample_{side}"] for side in ("low95", "low", "high", "high95"))
        assert (low95 < low).all()
        assert (low < curve[name]).all()
        assert (curve[name] < high).all()
        assert (high <= high95).all()
        assert (curve[f"{name}_error"] >= 0).all()


def test_bands_are_kept_by_the_seed(undrawn):
    curves = [
        plot_efficiency(sample(), "pt", cut=0.6, bins=EDGES, seed=seed, settings=SMALL).numbers.curves["pred"]
        for seed in (3, 3, 4)
    ]
    low = [curve["signal_sample_low"] for curve in curves]
    np.testing.assert_array_equal(low[0], low[1])
    assert (low[0] != low[2]).all()


def test_several_models_give_their_mean_and_spread(undrawn):
    data = sample()
    both = plot_efficiency(data, "pt", {"net": ["pred", "other"]}, cut=0.6, bins=EDGES, settings=SMALL).numbers
    alone = plot_efficiency(data, "pt", {"a": "pred", "b": "other"}, cut=0.6, bins=EDGES, settings=SMALL).numbers.curves
    values = np.stack([alone[name]["signal"] for name in "ab"])
    np.testing.assert_allclose(both.curves["net"]["signal"], values.mean(axis=0))
    spread = values.std(axis=0, ddof=1)
    np.testing.assert_allclose(both.curves["net"]["signal_models_high"], values.mean(axis=0) + spread)


def test_bins_without_a_positive_sum_are_left_empty_and_counted(undrawn):
    data = {"pt": [1, 1, 2, 2], "pred": [0.9, 0.8, 0.7, 0.6], "gen_target": [1, 0, 1, 0], "gen_weight": [-1, 1, 1, 1]}
    numbers = plot_efficiency(data, "pt", cut=0.65, bins=[0.5, 1.5, 2.5], settings=SMALL).numbers
    assert np.isnan(numbers.curves["pred"]["signal"]).tolist() == [True, False]
    assert numbers.about["without_sum"] == {"pred": 1}
    assert numbers.about["unbounded"] == {"pred": 1}


def test_a_fold_of_replicas_finds_its_own_cut():
    """With all background below all signal nothing passes, and the rejection has no upper limit."""
    scores, signal = np.linspace(0, 1, 200), np.arange(200) >= 100
    events = Tagged(scores, signal, np.ones(200), into_bins(np.zeros(200), [-1, 1]))
    assert events.cuts_at(1.0) == scores[100]
    left = events.background_in_replicas(1.0, seed=1)
    assert np.quantile(left, 0.95) < 0.05
    assert (left > 0).all()


def test_figure_says_what_it_shows(tmp_path):
    plot = plot_efficiency(sample(), "pt", {"network": "pred"}, cut=0.6, bins=[10, 40, 80], settings=SMALL)
    texts = "\n".join(text.get_text() for text in plot.figure.findobj(lambda x: hasattr(x, "get_text")))
    for expected in ("$p_T$ [GeV]", "Signal efficiency", "Background rejection", "network ≥ 0.6", "sample (68 %)",
                     "events below"):  # fmt: skip
        assert expected in texts
    *_, path = plot.save(tmp_path / "efficiency", formats=["png"])
    again = redraw(path, SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either cut"),
        ({"cut": 0.5, "efficiency": 0.5}, "give either cut"),
        ({"efficiency": 1.5}, "above 0 and up to 1, got 1.5"),
        ({"cut": {"net": 0.5}}, "'pred' has none"),
    ],
)
def test_working_points_that_are_none_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        plot_efficiency(sample(20), "pt", **options)


def test_missing_columns_are_named():
    with pytest.raises(DataError, match="there is no column 'mass'"):
        plot_efficiency(sample(20), "mass", cut=0.5)
