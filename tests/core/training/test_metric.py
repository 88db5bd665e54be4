"""Metrics: their interface, and how the loop uses them."""

import importlib.util

import numpy as np
import pytest

from lumin_core import EvalMetric, Model, is_better
from lumin_core.errors import ConfigError, LuminError
from lumin_core.training import usual_metrics


class Count(EvalMetric):
    """Keeps what it was given."""

    better = "higher"
    columns = ("event",)

    def __init__(self, seen=None, **options):
        super().__init__(**options)
        self.seen = [] if seen is None else seen

    def evaluate(self, preds, targets, weights, columns):
        self.seen.append((preds, targets, weights, columns))
        return len(self.seen)


@pytest.mark.parametrize(
    ("value", "best", "better", "expected"),
    [
        (1, None, "lower", True),
        (1, 2, "lower", True),
        (2, 2, "lower", False),
        (3, 2, "lower", False),
        (3, 2, "higher", True),
        (1, 2, "higher", False),
        (-5, 0, "zero", False),
        (0, -5, "zero", True),
        (-1, 2, "zero", True),
        (2, -1, "zero", False),
        (1, -1, "zero", False),
        (float("nan"), None, "lower", False),
        (float("nan"), 1, "zero", False),
        (1, float("nan"), "lower", False),
        (float("inf"), None, "lower", False),
        (float("-inf"), 3, "lower", False),
        (float("inf"), 3, "higher", False),
    ],
)
def test_fault_closest_to_zero_is_best_and_nan_never(value, best, better, expected):
    assert is_better(value, best, better) is expected


def test_a_change_must_exceed_the_smallest():
    assert is_better(0.89, 1.0, "lower", 0.1)
    assert not is_better(0.95, 1.0, "lower", 0.1)
    assert not is_better(-0.95, 1.0, "zero", 0.1)


def test_label_is_the_class_in_snake_case_or_given():
    named = {name: type(name, (Count,), {}) for name in ("RocAUC", "AMS", "MultiAMS", "RegPull2")}
    assert [cls().label for cls in named.values()] == ["roc_auc", "ams", "multi_ams", "reg_pull2"]
    assert Count(label="n").label == "n"
    assert Count().main_metric is False


@pytest.mark.parametrize("better", ["best", None, "Lower"])
def test_direction_must_be_one_of_three(better):
    with pytest.raises(ConfigError, match=r"Odd.better must be 'lower', 'higher' or 'zero'"):
        type("Odd", (Count,), {"better": better})()


@pytest.mark.parametrize("objective", ["classification", "multiclass", "regression"])
def test_metrics_see_the_whole_validation_fold(make_fy, make_builder, tmp_path, objective):
    fy = make_fy(tmp_path / "a.hdf5", objective=objective)
    model, metric = Model(make_builder(fy, objective)), Count()
    model.fit(2, fy, 8, val_idx=1, metrics=metric, seed=1)
    assert model.fit_params.history["valid"]["count"] == [1, 2]
    preds, targets, weights, columns = metric.seen[-1]
    fold, n_out = fy.get_fold(1), 3 if objective == "multiclass" else 1
    np.testing.assert_allclose(preds, model.predict(fold["inputs"]), rtol=1e-6)
    assert preds.shape == (16, n_out)
    if objective == "multiclass":
        np.testing.assert_allclose(preds.sum(1), 1, rtol=1e-5)
        assert targets.shape == (16,)
    else:
        assert targets.shape == (16, 1)
    assert np.array_equal(targets.reshape(-1, 1), fold["targets"])
    assert weights.shape == (16, 1)
    assert np.array_equal(weights, fold["weights"])
    assert columns["event"].tolist() == list(range(16, 32))


def test_weights_are_left_out_where_they_are_not_trained_on(fy, make_builder):
    metric = Count()
    Model(make_builder(fy)).fit(1, fy, 8, val_idx=1, metrics=[metric], train_on_weights=False, seed=1)
    assert metric.seen[0][2] is None


def test_columns_that_the_file_lacks_are_refused_before_training(fy, make_builder):
    metric = type("Needs", (Count,), {"columns": ("evnet",)})
    with pytest.raises(ConfigError, match=r"needed by the metric 'needs'.*no 'evnet'.*did you mean 'event'"):
        Model(make_builder(fy)).fit(1, fy, 8, val_idx=1, metrics=metric)


def test_several_metrics_have_their_own_history(fy, make_builder):
    model = Model(make_builder(fy))
    model.fit(3, fy, 8, val_idx=1, metrics=["roc_auc_score", Count(label="n"), Count], seed=1)
    assert {name: len(values) for name, values in model.fit_params.history["valid"].items()} == {
        "loss": 3,
        "roc_auc_score": 3,
        "n": 3,
        "count": 3,
    }


def test_what_is_no_metric_is_refused(fy, make_builder):
    for spec in (3, lambda preds, targets: 1.0, object(), type("Plain", (), {})):
        with pytest.raises(LuminError):
            Model(make_builder(fy)).fit(1, fy, 8, val_idx=1, metrics=spec)


def test_fault_the_model_stays_usable_after_a_metric_outside_training(fy, make_builder):
    model, metric, fold = Model(make_builder(fy)), Count(), fy.get_fold(0)
    loss = model.evaluate(*fold.values())
    metric.evaluate(model.predict(fold["inputs"]), fold["targets"], fold["weights"], {})
    assert model.evaluate(*fold.values()) == loss


def test_the_usual_metric_is_named_where_its_plugin_is_installed():
    assert usual_metrics("counting") == []
    for objective in ("classification", "multiclass", "regression"):
        is_there = importlib.util.find_spec("lumin_plugin_metrics") is not None
        assert len(usual_metrics(objective)) == int(is_there)
