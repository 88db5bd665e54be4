from types import SimpleNamespace

import numpy as np
import pytest

from lumin_core.errors import DataError
from lumin_plugin_plots import PlotSettings, plot_calibration, redraw

SMALL = PlotSettings(dpi=40)


@pytest.fixture
def undrawn(monkeypatch):
    """Spare the drawing where only numbers are looked at."""
    monkeypatch.setattr(
        "lumin_plugin_plots.calibration.drawn", lambda numbers, settings: SimpleNamespace(numbers=numbers)
    )


def sample(n=2000, seed=1, negative=0.12):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    weights = rng.uniform(0.5, 1.5, size=n) * np.where(rng.random(n) < negative, -1, 1)
    return {"pred": score, "gen_target": (rng.random(n) < score).astype(int), "gen_weight": weights}


def test_numbers_without_weights_are_those_of_scikit_learn(undrawn):
    calibration = pytest.importorskip("sklearn.calibration")
    data = sample()
    curve = plot_calibration(data, wgt_name=None, bins=8, settings=SMALL).numbers.curves["pred"]
    rate, score = calibration.calibration_curve(data["gen_target"], data["pred"], n_bins=8, strategy="quantile")
    np.testing.assert_allclose(curve["rate"], rate, rtol=1e-6)
    np.testing.assert_allclose(curve["score"], score, rtol=1e-6)


def test_numbers_are_sums_of_signed_weights(undrawn):
    data = sample()
    numbers = plot_calibration(data, bins=6, settings=SMALL).numbers
    curve = numbers.curves["pred"]
    w, signal, total, distance = data["gen_weight"], data["gen_target"] == 1, 0.0, 0.0
    for i in range(6):
        inside = (data["pred"] >= curve["low"][i]) & (data["pred"] < curve["high"][i] + 1e-12 * (i == 5))
        rate, score = w[inside & signal].sum() / w[inside].sum(), (w * data["pred"])[inside].sum() / w[inside].sum()
        assert curve["rate"][i] == pytest.approx(rate, rel=1e-6)
        assert curve["score"][i] == pytest.approx(score, rel=1e-6)
        variance = (1 - rate) ** 2 * (w[inside & signal] ** 2).sum() + rate**2 * (w[inside & ~signal] ** 2).sum()
        assert curve["rate_error"][i] == pytest.approx(np.sqrt(variance) / w[inside].sum(), rel=1e-6)
        total, distance = total + w[inside].sum(), distance + w[inside].sum() * abs(rate - score)
    assert numbers.about["ece"]["pred"] == pytest.approx(distance / total, rel=1e-6)


def test_calibrated_scores_lie_in_the_band(undrawn):
    curve = plot_calibration(sample(8000), settings=SMALL).numbers.curves["pred"]
    inside = (curve["rate_sample_low95"] < curve["score"]) & (curve["score"] < curve["rate_sample_high95"])
    assert inside.sum() >= 9
    assert (curve["rate_sample_low"] < curve["rate"]).all()
    assert (curve["rate"] < curve["rate_sample_high"]).all()


def test_classes_are_looked_at_one_against_the_rest(undrawn):
    rng = np.random.default_rng(2)
    scores = rng.dirichlet(np.ones(3), size=900)
    data = {f"pred_{k}": scores[:, k] for k in range(3)} | {"gen_target": rng.integers(3, size=900)}
    curves = plot_calibration(data, bins=4, settings=SMALL).numbers.curves
    assert list(curves) == ["class 0", "class 1", "class 2"]
    one = plot_calibration(
        {"pred": scores[:, 1], "gen_target": data["gen_target"] == 1}, bins=4, settings=SMALL
    ).numbers.curves["pred"]
    np.testing.assert_allclose(curves["class 1"]["rate"], one["rate"])


def test_models_share_bins(undrawn):
    data = sample() | {"other": np.clip(sample()["pred"] + 0.05, 0, 1)}
    curve = plot_calibration(data, {"net": ["pred", "other"]}, bins=5, settings=SMALL).numbers.curves["net"]
    assert len(curve["low"]) == 5
    assert (curve["rate_models_high"] >= curve["rate_models_low"]).all()


def test_an_event_of_weight_zero_changes_nothing(undrawn):
    data = sample(300)
    more = {name: np.append(values, extra) for (name, values), extra in zip(data.items(), (0.4, 1, 0), strict=True)}
    one, two = (plot_calibration(each, bins=5, settings=SMALL).numbers.curves["pred"] for each in (data, more))
    for name in ("rate", "score", "rate_error", "rate_sample_low95"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-12)


def test_bins_without_a_positive_sum_are_left_empty_and_counted():
    data = {"pred": [0.1, 0.2, 0.8, 0.9], "gen_target": [0, 1, 1, 1], "gen_weight": [1, -1, 1, 1]}
    plot = plot_calibration(data, bins=2, settings=SMALL)
    assert np.isnan(plot.numbers.curves["pred"]["rate"]).tolist() == [True, False]
    assert plot.numbers.about["empty"] == {"pred": 1}
    assert "1 bin of pred" in "\n".join(t.get_text() for t in plot.figure.findobj(lambda x: hasattr(x, "get_text")))


def test_figure_is_drawn_again_from_its_file(tmp_path):
    plot = plot_calibration(sample(), settings=SMALL)
    *_, path = plot.save(tmp_path / "calibration", formats=["png"])
    again = redraw(path, SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(DataError, match="must be probabilities, from 0 to 1, got -1 to 2"):
        plot_calibration({"pred": [-1.0, 2.0], "gen_target": [0, 1]})


@pytest.mark.parametrize("weight", [-1.0, 1.0])
def test_one_event_is_drawn_whatever_its_weight(weight):
    plot = plot_calibration({"pred": [0.3], "gen_target": [1], "gen_weight": [weight]}, settings=SMALL)
    assert plot.numbers.about["empty"] == {"pred": int(weight < 0)}
