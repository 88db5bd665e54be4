"""Every metric in fits and runs: by name, dict and partial; the values are those of the same arrays outside."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from lumin_core import Model, Results, build, train_models
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_metrics import R2, BinaryAccuracy, RegAsProxyPull, RegPull, RocAucScore, SignalEfficiency


def scaled(values, columns):
    return values[:, 0] * columns["scale"]


SHIFT = 6.0  # of regression targets, so that none is near zero
PROXY = {"proxy_func": scaled, "columns": ["scale"], "use_pull": False}
METRICS = {
    "classification": [
        "roc_auc_score",
        BinaryAccuracy,
        {"name": "signal_efficiency", "background_efficiency": 0.3, "main_metric": True},
        partial(SignalEfficiency, background_efficiency=0.1, label="tight"),
        {"name": "background_rejection", "signal_efficiency": 0.9},
        "log_loss",
    ],
    "labels": ["roc_auc_score", {"name": "log_loss", "main_metric": True}],
    "multiclass": [
        {"name": "multi_accuracy", "main_metric": True},
        "log_loss",
        partial(RocAucScore, multi_class="ovo"),
    ],
    "regression": [
        R2,
        {"name": "reg_pull", "return_mean": True, "use_pull": False, "main_metric": True},
        partial(RegPull, return_mean=False, use_bootstrap=True, label="spread"),
        {"name": "reg_as_proxy_pull", "return_mean": False, **PROXY},
        partial(RegAsProxyPull, return_mean=True, proxy_target="scale", label="proxy", **PROXY),
    ],
    "regression2": ["r2", {"name": "reg_pull", "return_mean": False, "target": 1, "use_pull": False}],
}
OBJECTIVES = pytest.mark.parametrize("objective", METRICS)


def arguments(model, fy, fold_idx):
    """Give what a metric takes of a fold, as a user would gather it."""
    fold = fy.get_fold(fold_idx)
    columns = {"scale": fy.get_column("scale", fold_idx=fold_idx)}
    return model.predict(fold["inputs"]), fold["targets"], fold["weights"], columns


@OBJECTIVES
def test_metrics_in_a_fit_are_those_of_the_arrays(folds, make_model, tmp_path, objective):
    fy = folds(objective, SHIFT)
    model, metrics = make_model(fy, objective), [build("metric", spec) for spec in METRICS[objective]]
    model.fit(2, fy, 8, val_idx=1, metrics=metrics, seed=1, cb_savepath=tmp_path, visible_bar=False)
    history = model.fit_params.history["valid"]
    assert list(history) == ["loss", *(metric.label for metric in metrics)]
    for metric in metrics:
        assert len(history[metric.label]) == 2
        assert history[metric.label][-1] == pytest.approx(metric(*arguments(model, fy, 1)), rel=1e-4)


@OBJECTIVES
def test_metrics_in_a_run_by_name_dict_class_and_partial(folds, make_builder, tmp_path, objective):
    fy = folds(objective, SHIFT)
    results = train_models(
        fy, 2, 8, make_builder(fy, objective), 3, metric_partials=METRICS[objective], savepath=tmp_path / "run", seed=1
    )
    metrics = [build("metric", spec) for spec in METRICS[objective]]
    for i, result in enumerate(results):
        model = Model.from_save(result["path"])
        for metric in metrics:
            assert result[metric.label] == pytest.approx(metric(*arguments(model, fy, i)), rel=1e-4)
    assert {metric.label: results.direction(metric.label) for metric in metrics} == {
        metric.label: metric.better for metric in metrics
    }
    saved = json.loads((tmp_path / "run" / "run.json").read_text())["metrics"]
    assert len(saved) == len(metrics)


@pytest.mark.parametrize("objective", ["classification", "labels", "multiclass"])
def test_log_loss_is_the_default_loss_of_the_fold(folds, make_model, tmp_path, objective):
    fy = folds(objective)
    model = make_model(fy, objective)
    model.fit(3, fy, 8, val_idx=2, metrics="log_loss", seed=1, cb_savepath=tmp_path, visible_bar=False)
    history = model.fit_params.history["valid"]
    assert history["log_loss"] == pytest.approx(history["loss"], rel=1e-5)


@OBJECTIVES
def test_weights_count_only_where_they_are_trained_on(folds, make_model, tmp_path, objective):
    fy = folds(objective, SHIFT)
    model, metrics = make_model(fy, objective), [build("metric", spec) for spec in METRICS[objective]]
    options = {"train_on_weights": False, "seed": 1, "cb_savepath": tmp_path, "visible_bar": False}
    model.fit(1, fy, 8, val_idx=1, metrics=metrics, **options)
    preds, targets, _, columns = arguments(model, fy, 1)
    for metric in metrics:
        value = model.fit_params.history["valid"][metric.label][-1]
        assert value == pytest.approx(metric(preds, targets, None, columns), rel=1e-4)


def test_fault_reg_pull_as_main_metric_keeps_the_model_closest_to_zero(folds, make_builder, tmp_path):
    """Predictions begin near zero, far below the targets, and that must not beat what comes later."""
    fy = folds("regression", SHIFT)
    bias = {"name": "reg_pull", "return_mean": True, "use_pull": False, "main_metric": True}
    tail = {"name": "class_reg_multi", "y_mean": 0, "y_std": 1}  # from_fy would begin near the targets
    builder = make_builder(fy, "regression", tail=tail, opt_args={"opt": "sgd", "lr": 0.02})
    results = train_models(fy, 1, 8, builder, 6, metric_partials=bias, savepath=tmp_path / "run", seed=1)
    history = results[0]["history"]["valid"]["reg_pull"]
    assert min(history) < -1
    assert results[0]["reg_pull"] == min(history, key=abs)
    assert results[0]["reg_pull"] != min(history)
    kept = build("metric", bias)(*arguments(Model.from_save(results[0]["path"]), fy, 0))
    assert kept == pytest.approx(min(history, key=abs), abs=1e-5)
    two = Results([{"loss": 1.0, "reg_pull": -5.0}, {"loss": 1.0, "reg_pull": 0.1}], {"reg_pull": "zero"})
    assert two.best(1, "reg_pull")[0]["reg_pull"] == 0.1


@OBJECTIVES
def test_fault_metric_outside_training_leaves_the_model_usable(folds, make_model, tmp_path, objective):
    fy = folds(objective, SHIFT)
    model, fold = make_model(fy, objective), fy.get_fold(0)
    options = {"val_idx": 1, "seed": 1, "cb_savepath": tmp_path, "visible_bar": False}
    metrics = [build("metric", spec) for spec in METRICS[objective]]
    model.fit(1, fy, 8, metrics=metrics, **options)
    loss, weights = model.evaluate(*fold.values()), model.get_weights()
    values = [metric(*arguments(model, fy, 0)) for metric in metrics]
    assert model.evaluate(*fold.values()) == loss
    assert all((weights[key] == value).all() for key, value in model.get_weights().items())
    assert [metric(*arguments(model, fy, 0)) for metric in metrics] == values
    model.fit(1, fy, 8, metrics=metrics, **options)  # the same instances once more
    assert len(model.fit_params.history["valid"][metrics[0].label]) == 1


def test_fault_seeds_metrics_do_not_change_a_training(folds, make_model, tmp_path):
    fy, models, state = folds("regression", SHIFT), [], np.random.get_state()[1].copy()
    for metrics in (None, METRICS["regression"]):
        models.append(make_model(fy, "regression"))
        models[-1].fit(2, fy, 8, val_idx=1, metrics=metrics, seed=1, cb_savepath=tmp_path, visible_bar=False)
    first, second = (model.get_weights() for model in models)
    assert all((first[key] == second[key]).all() for key in first)
    assert (np.random.get_state()[1] == state).all()


def test_two_pulls_need_labels_and_columns_must_be_there(folds, make_model, tmp_path):
    fy = folds("regression", SHIFT)
    options = {"val_idx": 1, "cb_savepath": tmp_path, "visible_bar": False}
    with pytest.raises(ConfigError, match=r"two metrics are called reg_pull; give each a label="):
        make_model(fy, "regression").fit(1, fy, 8, metrics=[RegPull(True), RegPull(False)], **options)
    misspelt = RegAsProxyPull(scaled, True, columns=["scael"])
    with pytest.raises(ConfigError, match=r"reg_as_proxy_pull.*no 'scael'.*did you mean 'scale'"):
        make_model(fy, "regression").fit(1, fy, 8, metrics=misspelt, **options)


def test_a_fold_of_one_class_says_the_way_out(folds, make_model, tmp_path):
    fy = folds("classification")

    class Signal:
        def on_fold_begin(self, fit_params):
            if fit_params.state == "valid":
                fit_params.by.targets = np.ones_like(fit_params.by.targets)

    with pytest.raises(DataError, match=r"no background.*folds that hold every class \(df2foldfile's strat_key\)"):
        make_model(fy, "classification").fit(
            1, fy, 8, val_idx=1, metrics="roc_auc_score", cbs=Signal(), cb_savepath=tmp_path, visible_bar=False
        )
