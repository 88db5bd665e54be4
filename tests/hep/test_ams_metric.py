"""The metrics against the scan, in fits and on arrays."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core import FoldFileWriter, FoldYielder, Model, ModelBuilder, build
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep.ams_metric import AMS, MultiAMS
from lumin_plugin_hep.cut_scan import ams_scan
from lumin_plugin_hep.significance import calc_ams

SIZES = (60, 80, 100)
ALL_CUTS = {"use_stat_unc": False, "min_events": 0}


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


def sample(n=300, seed=0):
    """Give predictions, labels and yields."""
    rng = np.random.default_rng(seed)
    target = rng.integers(2, size=n)
    return rng.beta(1 + target, 2 - target), target, rng.exponential(size=n)


def scanned(preds, target, weights, n_total, **options):
    columns = {"pred": np.ravel(preds), "gen_target": np.ravel(target), "gen_weight": np.ravel(weights)}
    return ams_scan(columns, n_total / len(np.ravel(preds)), **options)[0]


@pytest.fixture
def fy(tmp_path):
    rng = np.random.default_rng(2)
    with FoldFileWriter(tmp_path / "f", cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
        for fold, n in enumerate(SIZES):
            x = rng.normal(size=(n, 2))
            classes = np.digitize(x[:, 0] + 0.5 * rng.normal(size=n), [-0.3, 0.6])
            yields = rng.exponential(size=n)
            misc = {"gen_weight": yields, "is_signal": (classes == 2).astype(int)}
            file.append(fold, inputs=x, targets=classes, weights=np.ones(n), misc=misc)
    with FoldYielder(tmp_path / "f.hdf5") as opened:
        yield opened


class Binary:
    """Makes a binary target of the classes."""

    def on_fold_begin(self, fit_params):
        fit_params.by.targets = (fit_params.by.targets == 2).astype("float32")


@pytest.mark.parametrize(
    "options",
    [
        ALL_CUTS,
        {**ALL_CUTS, "br": 10},
        {"br": 1, "syst_unc_b": 0.2, "use_stat_unc": True, "min_events": 30},
        {"use_stat_unc": True, "start_cut": 0.6, "min_background": 20, "min_events": 0},
    ],
)
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_metric_is_the_scan_with_weights_scaled_to_all_events(options, shape):
    preds, target, yields = sample()
    metric = AMS(1200, "w", **options)
    value = metric(preds.reshape(shape), target.reshape(shape), None, {"w": yields})
    assert value == scanned(preds, target, yields, 1200, **options)
    assert value > scanned(preds, target, yields, 300, **options)
    assert isinstance(value, float)
    assert metric(preds, target, np.full(300, 7.0), {"w": yields}) == value  # those of the training do not count


def test_metric_does_not_depend_on_the_size_of_the_fold():
    preds, target, yields = sample()
    twice = [np.tile(values, 2) for values in (preds, target, yields)]
    metric = AMS(10_000, "w", syst_unc_b=0.1, **ALL_CUTS)
    once = metric(preds, target, columns={"w": yields})
    assert metric(*twice[:2], columns={"w": twice[2]}) == pytest.approx(once, rel=1e-12)


def test_by_default_ten_background_events_are_left_and_their_uncertainty_counts():
    """Else the best cut is that with the one background event that weighs least."""
    preds, target, yields = sample()
    value = AMS(300, "w")(preds, target, columns={"w": yields})
    assert value == scanned(preds, target, yields, 300, use_stat_unc=True, min_events=10)
    assert value < 0.5 * scanned(preds, target, yields, 300)
    few = np.flatnonzero(target == 0)[:9]
    chosen = np.concatenate([few, np.flatnonzero(target == 1)])
    assert AMS(300, "w")(preds[chosen], target[chosen], columns={"w": yields[chosen]}) == 0


def test_by_default_weights_are_the_yields_and_the_events_all_there_are():
    preds, target, yields = sample()
    value = AMS(300, "w")(preds, target, columns={"w": yields})
    assert AMS()(preds, target, yields) == AMS()(preds, target, yields[:, None]) == value
    assert AMS()(preds, target) == scanned(preds, target, np.ones(300), 300, use_stat_unc=True, min_events=10)


def test_truth_may_come_from_a_column():
    """Such as where targets hold more than the label, or were smoothed."""
    preds, target, yields = sample()
    several = np.stack([0.9 * target, yields], axis=1)
    value = AMS(300, "w", targ_name="truth")(preds, several, None, {"w": yields, "truth": target})
    assert value == AMS(300, "w")(preds, target, None, {"w": yields})


def test_in_a_fit_the_number_is_that_of_the_file_and_another_is_said(fy, tmp_path, caplog):
    """Two metrics of one fit; what is kept is as if all folds were scanned for each."""
    caplog.set_level("INFO", logger="lumin_plugin_hep")
    model = Model(ModelBuilder.from_fy(fy, "classification", n_out=1, seed=1))
    yields = {"name": "ams", "wgt_name": "gen_weight"}
    metrics = [yields, {**yields, "n_total": 1000, "label": "of a thousand"}]
    options = {"cbs": Binary(), "seed": 1, "cb_savepath": tmp_path, "visible_bar": False}
    model.fit(1, fy, 20, val_idx=1, metrics=metrics, **options)
    fold, yields = fy.get_fold(1), fy.get_column("gen_weight", fold_idx=1)
    preds, target = model.predict(fold["inputs"]), fold["targets"] == 2
    history, cautious = model.fit_params.history["valid"], {"use_stat_unc": True, "min_events": 10}
    for label, n in (("ams", sum(SIZES)), ("of a thousand", 1000)):
        assert history[label] == [pytest.approx(scanned(preds, target, yields, n, **cautious), rel=1e-4)]
    assert caplog.messages == ["of a thousand: weights are scaled to n_total=1000 events; f.hdf5 has 240"]


def test_metrics_in_a_fit_by_name_and_partial(fy, tmp_path):
    builder = ModelBuilder.from_fy(fy, "classification", n_out=1, seed=1)
    model = Model(builder)
    metrics = [
        build("metric", spec)
        for spec in (
            {"name": "ams", "n_total": sum(SIZES), "wgt_name": "gen_weight", "br": 2, "main_metric": True, **ALL_CUTS},
            {"name": "AMS", "n_total": 1000, "wgt_name": "gen_weight", "syst_unc_b": 0.1, "label": "syst", **ALL_CUTS},
        )
    ]
    options = {"cbs": Binary(), "seed": 1, "cb_savepath": tmp_path, "visible_bar": False}
    model.fit(2, fy, 20, val_idx=1, metrics=metrics, **options)
    fold, yields = fy.get_fold(1), fy.get_column("gen_weight", fold_idx=1)
    preds, target = model.predict(fold["inputs"]), fold["targets"] == 2
    history = model.fit_params.history["valid"]
    assert history["ams"][-1] == pytest.approx(scanned(preds, target, yields, sum(SIZES), br=2), rel=1e-4)
    assert history["syst"][-1] == pytest.approx(scanned(preds, target, yields, 1000, syst_unc_b=0.1), rel=1e-4)


def test_multi_ams_in_a_fit(fy, tmp_path):
    model = Model(ModelBuilder.from_fy(fy, "multiclass", seed=1))
    spec = {
        "name": "multi_ams",
        "n_total": 240,
        "wgt_name": "gen_weight",
        "targ_name": "is_signal",
        "br": 1,
        **ALL_CUTS,
    }
    metric = build("metric", {**spec, "zero_preds": ["pred_0", "pred_1"], "one_preds": ["pred_2"]})
    model.fit(1, fy, 20, val_idx=2, metrics=metric, seed=1, cb_savepath=tmp_path, visible_bar=False)
    preds = model.predict(fy.get_fold(2)["inputs"])
    columns = {name: fy.get_column(name, fold_idx=2) for name in ("gen_weight", "is_signal")}
    expected = scanned(preds[:, 2], columns["is_signal"], columns["gen_weight"], 240, br=1)
    assert model.fit_params.history["valid"]["multi_ams"] == [pytest.approx(expected, rel=1e-4)]


def test_multi_ams_ranks_by_the_probability_of_signal():
    """Two events are as likely signal; LUMIN, which takes maxima, has the second above the first."""
    preds = np.array([[0.3, 0.3, 0.2, 0.2], [0.5, 0.1, 0.39, 0.01], [0.9, 0.1, 0, 0]])
    columns = {"w": np.ones(3), "y": np.array([1, 0, 0])}
    metric = MultiAMS(3, "w", "y", zero_preds=[0, 1], one_preds=["pred_2", "pred_3"], **ALL_CUTS)
    assert metric(preds, np.zeros(3), columns=columns) == pytest.approx(calc_ams(1, 1))
    partial = MultiAMS(3, "w", "y", zero_preds=[0], one_preds=[3], br=1, **ALL_CUTS)
    assert partial(preds, np.zeros(3), columns=columns) == pytest.approx(calc_ams(1, 0, br=1))  # 0.4, 0.02 and 0
    assert MultiAMS(2, "w", "y", [0], [1], **ALL_CUTS)(np.zeros((2, 2)), [0, 1], columns={"w": [1, 1], "y": [0, 1]}) > 0


def test_multi_ams_of_two_classes_is_ams():
    preds, target, yields = sample()
    both = np.stack([1 - preds, preds], axis=1)
    value = MultiAMS(900, "w", "y", ["pred_0"], ["pred_1"], br=1)(both, target, columns={"w": yields, "y": target})
    assert value == pytest.approx(AMS(900, "w", br=1)(preds, target, columns={"w": yields}))


def test_fault_misspelt_weight_column_is_refused(fy, tmp_path):
    model = Model(ModelBuilder.from_fy(fy, "classification", n_out=1, seed=1))
    metric = AMS(240, "gen_weigth")
    with pytest.raises(ConfigError, match=r"ams.*no 'gen_weigth'.*did you mean 'gen_weight'"):
        model.fit(1, fy, 20, val_idx=1, metrics=metric, cbs=Binary(), cb_savepath=tmp_path, visible_bar=False)
    with pytest.raises(DataError, match=r"no column 'gen_weigth'; did you mean 'gen_weight'\?; pass columns="):
        metric([0.1], [0], columns={"gen_weight": [1.0]})


def test_bad_input_is_refused():
    preds, target, yields = sample()
    metric, columns = AMS(300, "w"), {"w": yields}
    with pytest.raises(DataError, match=r"'gen_target' must be 0 \(background\) or 1 \(signal\), got \[2\] too"):
        metric(preds, 2 * target, None, columns)
    with pytest.raises(DataError, match=r"'pred' must be finite"):
        metric(preds * np.nan, target, None, columns)
    with pytest.raises(DataError, match=r"at least one event"):
        metric([], [], None, {"w": []})
    with pytest.raises(
        ShapeError, match=r"one column of predictions, \(n,\) or \(n, 1\), got \(300, 2\); .* multi_ams"
    ):
        metric(np.ones((300, 2)), target, None, columns)
    with pytest.raises(ShapeError, match=r"one column of targets.*targ_name="):
        metric(preds, np.ones((300, 2)), None, columns)
    with pytest.raises(ShapeError, match=r"must be among the columns of predictions, got shape \(300, 2\)"):
        MultiAMS(300, "w", "y", [0, 1], [2])(np.ones((300, 2)), target, None, {"w": yields, "y": target})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_total": 0}, r"n_total must be a positive integer, got 0"),
        ({"br": -1}, r"br must not be negative, got -1"),
        ({"syst_unc_b": -1}, r"must not be negative, got -1"),
        ({"br": float("nan")}, r"br must be a number, got nan"),
        ({"start_cut": float("nan")}, r"start_cut must be a number, got nan"),
        ({"min_background": "5"}, r"the option 'min_background' of the metric .* must be a number, got '5'"),
        ({"min_events": None}, r"min_events must be a number, got None"),
        ({"zero_preds": []}, r"zero_preds must be classes such as \[0, 1\] or \['pred_0', 'pred_1'\], got \[\]"),
        ({"one_preds": ["higgs"]}, r"one_preds must be classes"),
        ({"one_preds": [1, 2]}, r"a class must be named once, got"),
    ],
)
def test_bad_options_are_refused(options, message):
    good = {"n_total": 10, "wgt_name": "w", "targ_name": "y", "zero_preds": [0, 1], "one_preds": ["pred_2"]}
    with pytest.raises(ConfigError, match=message):
        build("metric", {"name": "multi_ams", **good, **options})
