"""ROC curves: the numbers against scikit-learn and written-out sums; the picture from its numbers."""

import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import PlotSettings, plot_roc, redraw

SMALL = PlotSettings(dpi=40, size=(4, 3))
NEW = {"n_replicas": 20, "settings": SMALL}


def events(n=1500, negative=0.12, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    sign = rng.choice([1, -1], size=n, p=[1 - negative, negative])
    columns = {"gen_target": truth, "gen_weight": sign * rng.exponential(size=n), "n_jets": rng.integers(2, 4, size=n)}
    return columns | {name: rng.normal(truth * s).round(2) for name, s in (("tree", 1), ("net_0", 1.5), ("net_1", 1.6))}


def texts(plot):
    found = [text for axes in plot.figure.axes for text in axes.texts]
    labels = [text for axes in plot.figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    return [text.get_text() for text in [*found, *labels]]


def test_rejections_and_areas_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    data = events(negative=0)
    plot = plot_roc(data, "tree", **NEW)
    curve, args = plot.numbers.curves["tree"], (data["gen_target"], data["tree"])
    weights = {"sample_weight": data["gen_weight"]}
    assert plot.numbers.about["areas"]["tree"] == pytest.approx(metrics.roc_auc_score(*args, **weights), abs=1e-9)
    background, signal, cuts = metrics.roc_curve(*args, **weights, drop_intermediate=False)
    first = np.array([np.flatnonzero(signal >= x - 1e-9)[0] for x in curve["efficiency"]])
    np.testing.assert_allclose(curve["background_efficiency"], background[first], rtol=1e-6)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(curve["rejection"], 1 / background[first], rtol=1e-6)
    np.testing.assert_allclose(curve["cut"], cuts[first])


def test_signed_weights_give_the_written_out_sums():
    data = events()
    score, w, is_signal = data["tree"], data["gen_weight"], data["gen_target"] == 1
    plot = plot_roc(data, "tree", **NEW)
    curve = plot.numbers.curves["tree"]
    for i in (29, 49, 99):
        passing = score >= curve["cut"][i]
        background = w[passing & ~is_signal]
        assert w[passing & is_signal].sum() / w[is_signal].sum() >= curve["efficiency"][i] - 1e-9
        assert curve["rejection"][i] == pytest.approx(w[~is_signal].sum() / background.sum(), rel=1e-6)
        effective = background.sum() ** 2 / (background @ background)
        assert curve["effective_background"][i] == pytest.approx(effective, rel=1e-6)
    pairs = w[is_signal][:, None] * w[~is_signal]
    order = score[is_signal][:, None] - score[~is_signal]
    area = (pairs * np.heaviside(order, 0.5)).sum() / pairs.sum()
    assert plot.numbers.about["areas"]["tree"] == pytest.approx(area, abs=1e-9)


def test_bands_are_of_the_sample_and_of_the_models():
    plot = plot_roc(events(), {"tree": "tree", "network": ["net_0", "net_1"]}, baseline="tree", **NEW)
    tree, net = plot.numbers.curves["tree"], plot.numbers.curves["network"]
    alone = [plot_roc(events(), name, **NEW).numbers.curves[name]["rejection"] for name in ("net_0", "net_1")]
    finite = np.isfinite(alone).all(axis=0)
    np.testing.assert_allclose(net["rejection"][finite], np.mean(alone, axis=0)[finite])
    spread = np.std(np.array(alone)[:, finite], axis=0, ddof=1)
    np.testing.assert_allclose(((net["models_high"] - net["models_low"]) / 2)[finite], spread)
    assert "models_low" not in tree
    shown = np.isfinite(net["sample_high"]) & finite
    assert (net["sample_low"][shown] <= net["sample_high"][shown]).all()
    assert {"sample (68 %)", "models (± 1 σ)"} <= set(texts(plot))


def test_ratio_to_the_baseline_has_the_band_of_common_replicas():
    plot = plot_roc(events(), {"tree": "tree", "net": "net_0", "twin": "tree"}, baseline="tree", **NEW)
    tree, net, twin = (plot.numbers.curves[name] for name in ("tree", "net", "twin"))
    both = np.isfinite(net["rejection"]) & np.isfinite(tree["rejection"])
    np.testing.assert_allclose(net["ratio"][both], net["rejection"][both] / tree["rejection"][both])
    for column in ("ratio", "ratio_sample_low95", "ratio_sample_high95"):
        assert set(twin[column][np.isfinite(twin[column])]) == {1.0}
    assert "tree" in plot.figure.axes[1].get_ylabel()
    assert "ratio" not in plot_roc(events(), "tree", **NEW).numbers.curves["tree"]


def classes(n=900, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n)
    scores = rng.normal(size=(n, 3)) + np.eye(3)[truth]
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return {f"pred_{k}": shares[:, k] for k in range(3)} | {"gen_target": truth}, shares


def test_classes_against_the_rest_and_against_one():
    metrics = pytest.importorskip("sklearn.metrics")
    data, shares = classes()
    truth = data["gen_target"]
    rest = plot_roc(data, **NEW).numbers.about["areas"]
    assert list(rest) == [f"class {k} against rest" for k in range(3)]
    assert np.mean(list(rest.values())) == pytest.approx(
        metrics.roc_auc_score(truth, shares, multi_class="ovr"), abs=1e-9
    )
    one = plot_roc(data, against="one", **NEW).numbers.about["areas"]
    assert len(one) == 6
    assert np.mean(list(one.values())) == pytest.approx(
        metrics.roc_auc_score(truth, shares, multi_class="ovo"), abs=1e-9
    )
    assert list(plot_roc(data, against="one", signal=1, **NEW).numbers.curves) == [
        "class 1 against class 0",
        "class 1 against class 2",
    ]


def test_names_of_classes_are_written():
    settings = PlotSettings(dpi=40, size=(4, 3), names={"class 0": "QCD", "class 2": "top"})
    plot = plot_roc(classes()[0], signal=2, against="one", n_replicas=10, settings=settings)
    assert any(text.startswith("top against QCD (AUC 0.") for text in texts(plot))


def test_column_to_compare_by_has_a_curve_per_value():
    data = events()
    plot = plot_roc(data, "tree", by="n_jets", baseline="n_jets = 2", **NEW)
    assert list(plot.numbers.curves) == ["n_jets = 2", "n_jets = 3"]
    alone = plot_roc(data, "tree", mask=data["n_jets"] == 3, **NEW)
    np.testing.assert_allclose(
        plot.numbers.curves["n_jets = 3"]["rejection"], alone.numbers.curves["tree"]["rejection"]
    )
    with pytest.raises(DataError, match="at most 10 different values, got"):
        plot_roc(data, "tree", by="net_0", **NEW)


def test_baseline_of_a_classifier_is_of_the_same_value():
    names = {"tree": "tree", "net": "net_0"}
    curves = plot_roc(events(), names, by="n_jets", baseline="tree", **NEW).numbers.curves
    for n in (2, 3):
        net, tree = curves[f"net, n_jets = {n}"], curves[f"tree, n_jets = {n}"]
        np.testing.assert_allclose(net["ratio"][50:], net["rejection"][50:] / tree["rejection"][50:])


def test_points_without_background_are_counted_and_said():
    data = {"pred": np.linspace(0, 1, 200), "gen_target": np.arange(200) >= 100}
    plot = plot_roc(data, **NEW)
    assert plot.numbers.about["not_shown"] == {"pred": 100}
    assert "100 efficiencies at which no background is left" in " ".join(plot.figure.get_supxlabel().split())


def test_seed_and_saved_numbers_give_the_same_figure(tmp_path):
    args = {"pred_name": {"tree": "tree", "net": ["net_0", "net_1"]}, "baseline": "tree"}
    plot = plot_roc(events(), **args, **NEW)
    assert plot.numbers.to_text() == plot_roc(events(), **args, **NEW).numbers.to_text()
    assert plot.numbers.about["seed"] == 0
    files = plot.save(tmp_path / "roc", formats=["png"])
    again = redraw(files[-1], SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == files[0].read_bytes()


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({"gen_target": np.ones(1500)}, {}, DataError, "needs background of positive sum of weights, got 0 of 0"),
        ({"gen_weight": -np.ones(1500)}, {}, DataError, "needs signal of positive sum"),
        ({"gen_target": np.arange(1500) % 3}, {}, DataError, "must be 0 .* got \\[2.0\\] too"),
        ({"tree": np.full(1500, np.nan)}, {}, DataError, "'tree' must be finite"),
        ({}, {"baseline": "tre"}, ConfigError, "baseline must be one of the curves, tree, got 'tre'"),
        ({}, {"against": "all"}, ConfigError, "against must be 'rest' or 'one'"),
        ({}, {"signal": 1}, ConfigError, "signal is for predictions of several classes"),
        ({}, {"n_replicas": 0}, ConfigError, "n_replicas must be a positive integer"),
    ],
)
def test_what_is_wrong_is_said(change, options, error, message):
    with pytest.raises(error, match=message):
        plot_roc(events() | change, "tree", **(NEW | options))


def test_frames_and_mappings_give_the_same():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(events(), index=np.arange(1500)[::-1])
    assert plot_roc(frame, "tree", **NEW).numbers.to_text() == plot_roc(events(), "tree", **NEW).numbers.to_text()
