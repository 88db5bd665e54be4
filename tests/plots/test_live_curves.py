"""Curves of a fit in a notebook: drawn after epochs, from what the history holds."""

import base64
import sys
import types

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("lumin_plugin_plots")

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import EMA, MetricLogger
from lumin_plugin_plots import LiveCurves, PlotSettings, live_curves, redraw


@pytest.fixture
def shown(monkeypatch):
    """Make this a notebook; give what its output areas were told."""
    contents = []

    class Handle:
        def update(self, data, *, raw):
            contents.append(data)

    module = types.ModuleType("IPython.display")
    module.display = lambda data, *, raw, display_id: Handle()
    module.version_info = (9, 0)
    for name in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(live_curves, "outlet", lambda: "notebook")
    monkeypatch.setattr(live_curves, "_SETTINGS", PlotSettings(size=(3, 2), dpi=30))
    return contents


@pytest.fixture(scope="module")
def fy(tmp_path_factory):
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "y": np.arange(60) % 2})
    return FoldYielder(df2foldfile(df, 3, ["a", "b"], [], "y", tmp_path_factory.mktemp("folds") / "a", "int", seed=1))


@pytest.fixture
def fit(fy, tmp_path):
    model = Model(ModelBuilder.from_fy(fy, "classification", seed=1, model_args={"body": {"depth": 1, "width": 3}}))

    def run(cbs, n_epochs=3, **options):
        options = {"val_idx": 2, "visible_bar": False, "cb_savepath": tmp_path / "model_0", **options}
        model.fit(n_epochs, fy, 10, cbs=cbs, seed=1, **options)
        return model.fit_params.history

    return run


def test_what_is_shown_is_the_history(fit, shown, monkeypatch):
    monkeypatch.setattr(live_curves, "_SHARE", np.inf)
    logger = MetricLogger(view="live_curves")
    history = fit([EMA(), logger], metrics=["binary_accuracy", {"name": "roc_auc_score", "main_metric": True}])
    numbers = logger._view.plot.numbers
    valid, folds = np.array(history["valid"]["loss"]), np.array(history["train"]["loss"])
    epochs = numbers.curves["epochs"]
    assert numbers.curves["folds"]["loss"].tolist() == folds.tolist()
    assert numbers.curves["folds"]["epoch"].tolist() == [0.5, 1, 1.5, 2, 2.5, 3]
    train = [(folds[2 * i] + folds[2 * i + 1]) / 2 for i in range(3)]
    assert epochs["train"] == pytest.approx(train, rel=1e-12)
    assert epochs["valid"].tolist() == valid.tolist()
    assert epochs["change"][1:] == pytest.approx([valid[1] - valid[0], valid[2] - valid[1]], rel=1e-12)
    assert epochs["ratio"] == pytest.approx(valid / train, rel=1e-12)
    assert epochs["metric"].tolist() == history["valid"]["roc_auc_score"]
    assert len(numbers.curves["ema loss"]["loss"]) == 3
    assert [content["text/plain"].split(";")[0] for content in shown] == [f"model_0: epoch {i} of 3" for i in (1, 2, 3)]
    assert all(base64.b64decode(content["image/png"]).startswith(b"\x89PNG") for content in shown)


def test_it_is_drawn_seldom_enough_and_at_the_end(fit, shown, monkeypatch):
    monkeypatch.setattr(live_curves, "_SHARE", 0.0)
    fit(MetricLogger(view="plots/live_curves"), n_epochs=4)
    assert [content["text/plain"].split(";")[0] for content in shown] == ["model_0: epoch 4 of 4"]


def test_a_fit_that_fails_ends_with_what_it_reached(fit, shown, monkeypatch):
    class Fails:
        def on_epoch_begin(self, fit_params):
            if fit_params.epoch == 3:
                raise RuntimeError("enough")

    monkeypatch.setattr(live_curves, "_SHARE", 0.0)
    with pytest.raises(RuntimeError, match="enough"):
        fit([Fails(), MetricLogger(view="live_curves")])
    assert len(shown) == 1


@pytest.mark.parametrize(("options", "names"), [({"metrics": "binary_accuracy"}, 4), ({}, 3), ({"val_idx": None}, 1)])
def test_panels_are_those_that_there_is_something_for(fit, shown, options, names, tmp_path):
    logger = MetricLogger(view="live_curves")
    fit(logger, n_epochs=1, **options)
    plot = logger._view.plot
    assert len(plot.figure.axes) == names
    assert {axes.get_ylabel() for axes in plot.figure.axes} >= {"Loss"}
    again = redraw(plot.save(tmp_path / "live", formats=["svg"])[-1])
    assert again.numbers.to_text() == plot.numbers.to_text()


def test_outside_of_a_notebook_it_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="view='auto'"):
        LiveCurves()
