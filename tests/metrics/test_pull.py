from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from lumin_core import build, is_better
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.statistics import bootstrap
from lumin_plugin_metrics import RegAsProxyPull, RegPull, reg_as_proxy_pull, reg_pull


def brute_force(preds, targets, weights, *, return_mean, use_pull=True):
    values = [(p - y) / (y if use_pull else 1) for p, y in zip(preds, targets, strict=True)]
    total = sum(weights)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / total
    variance = sum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True)) / total
    return mean if return_mean else math.sqrt(variance)


def mass(energies, columns):
    """The mass of two massless particles, back to back."""
    return 2 * np.sqrt(energies[:, 0] * energies[:, 1])


def scaled(values, columns):
    return values[:, 0] * columns["scale"]


@pytest.mark.parametrize("return_mean", [False, True])
@pytest.mark.parametrize("use_pull", [False, True])
@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_pull_is_the_sum_over_events(make_sample, return_mean, use_pull, sign):
    events, options = make_sample("regression", sign=sign), {"return_mean": return_mean, "use_pull": use_pull}
    assert reg_pull(*events, **options) == pytest.approx(brute_force(*events, **options))
    assert RegPull(**options)(*events) == reg_pull(*events, **options)


def test_pull_equals_numpys_moments(make_sample):
    preds, targets, _ = make_sample("regression")
    assert reg_pull(preds, targets, return_mean=True) == pytest.approx(np.mean(preds / targets - 1))
    assert reg_pull(preds, targets, return_mean=False) == pytest.approx(np.std(preds / targets - 1))
    assert reg_pull(preds, targets, return_mean=False, use_pull=False) == pytest.approx(np.std(preds - targets))


def test_pull_of_a_shift_and_a_scale(make_sample):
    _, targets, weights = make_sample("regression", sign="negative")
    assert reg_pull(targets - 3, targets, weights, return_mean=True, use_pull=False) == pytest.approx(-3)
    assert reg_pull(1.1 * targets, targets, weights, return_mean=True) == pytest.approx(0.1)
    assert reg_pull(1.1 * targets, targets, weights, return_mean=False) == pytest.approx(0, abs=1e-8)
    assert reg_pull([-1.0], [-2.0], return_mean=True) == -0.5  # relative to the target with its sign


def test_pull_of_one_of_several_targets(make_sample):
    preds, targets, weights = make_sample("regression2")
    for k in (0, 1):
        expected = reg_pull(preds[:, k], targets[:, k], weights, return_mean=False)
        assert RegPull(return_mean=False, target=k)(preds, targets, weights) == expected
        proxy = RegAsProxyPull(lambda values, columns, k=k: values[:, k], return_mean=False)
        assert proxy(preds, targets, weights) == expected


@pytest.mark.parametrize("return_mean", [False, True])
def test_pull_with_bootstrap_is_the_mean_over_resamples(make_sample, return_mean):
    preds, targets, weights = make_sample("regression", sign="negative")
    value = reg_pull(preds, targets, weights, return_mean=return_mean, use_bootstrap=True)
    again = bootstrap(partial(reg_pull, return_mean=return_mean), preds, targets, weights, n=400, seed=9)
    assert value == pytest.approx(again.mean(), abs=4 * again.std() / 10)
    assert value != reg_pull(preds, targets, weights, return_mean=return_mean)
    assert RegPull(return_mean, use_bootstrap=True)(preds, targets, weights) == value  # always the same resamples


def test_fault_reg_pull_as_main_metric_is_best_closest_to_zero():
    bias, spread = RegPull(return_mean=True), RegPull(return_mean=False)
    assert (bias.better, spread.better) == ("zero", "lower")
    assert not is_better(-5, 0, bias.better)
    assert is_better(0, -5, bias.better)
    proxies = [RegAsProxyPull(mass, return_mean=mean).better for mean in (True, False)]
    assert proxies == ["zero", "lower"]


def test_proxy_pull_of_a_mass_against_that_of_the_targets():
    rng = np.random.default_rng(1)
    targets = rng.uniform(20, 60, (50, 2))
    preds, weights = targets * [1.21, 1.0], rng.exponential(size=50)
    assert reg_as_proxy_pull(preds, targets, weights, proxy_func=mass, return_mean=True) == pytest.approx(0.1)
    assert RegAsProxyPull(mass, True)(preds, targets, weights) == pytest.approx(0.1)


@pytest.mark.parametrize("return_mean", [False, True])
@pytest.mark.parametrize("use_pull", [False, True])
@pytest.mark.parametrize("use_bootstrap", [False, True])
def test_proxy_pull_is_the_pull_of_the_proxy(make_sample, return_mean, use_pull, use_bootstrap):
    """Against what the targets give, a column of the file, and a number."""
    preds, targets, weights = make_sample("regression", sign="negative")
    columns = {"scale": np.linspace(1, 2, 200), "true": np.linspace(100, 130, 200)}
    options = {"return_mean": return_mean, "use_pull": use_pull, "use_bootstrap": use_bootstrap}
    for proxy_target, true in [(None, targets * columns["scale"]), ("true", columns["true"]), (125, np.full(200, 125))]:
        metric = RegAsProxyPull(scaled, columns=["scale"], proxy_target=proxy_target, **options)
        expected = reg_pull(preds * columns["scale"], true, weights, **options)
        assert metric(preds, targets, weights, columns) == pytest.approx(expected)
        assert list(metric.columns) == ["scale", *(["true"] if proxy_target == "true" else [])]


def test_proxy_func_may_change_its_arrays_and_gets_doubles():
    seen = []

    def changing(values, columns):
        seen.append((values.shape, values.dtype))
        values *= 2
        return values

    preds, targets = np.ones(3, np.float32), np.ones(3)
    assert RegAsProxyPull(changing, True)(preds, targets) == 0
    assert seen == [((3, 1), np.float64)] * 2
    assert (preds == 1).all()
    assert (targets == 1).all()


@pytest.mark.parametrize(
    ("preds", "targets", "weights", "options", "error", "message"),
    [
        ([1, 2], [0, 1], None, {}, DataError, r"must not be zero, got 1 zeros of 2; take residuals \(use_pull=False\)"),
        ([1, 2], [1, 2], [1, -1], {}, DataError, "must not sum to zero"),
        ([1, np.inf], [1, 2], None, {}, DataError, "predictions must be finite, got 1"),
        ([1, 2, 3], [1, 1, 1], [-1, 3, -1], {"return_mean": False}, DataError, "variance must not be negative"),
        (np.ones((2, 2)), np.ones((2, 2)), None, {}, ConfigError, "one of the 2 targets, from 0 to 1, got None"),
        (np.ones((2, 2)), np.ones((2, 2)), None, {"target": 2}, ConfigError, "got 2"),
        (np.ones((2, 2)), np.ones((2, 2)), None, {"target": -1}, ConfigError, "got -1"),
        (np.ones((2, 2)), [1, 2], None, {}, ShapeError, "as many columns"),
        (
            [0, 1, 2],
            [1, 1, 1],
            [3, -1, 3],
            {"return_mean": False, "use_bootstrap": True},
            DataError,
            "at least 90% of the",
        ),
    ],
)
def test_pull_refuses(preds, targets, weights, options, error, message):
    with pytest.raises(error, match=message):
        reg_pull(preds, targets, weights, **{"return_mean": True, **options})


def test_a_mean_needs_no_positive_variance():
    assert reg_pull([1, 2, 3], [1, 1, 1], [-1, 3, -1], return_mean=True) == 1


def test_proxy_pull_refuses():
    preds, targets = np.ones((2, 2)), np.ones((2, 2))
    with pytest.raises(ShapeError, match=r"one value for each of 2 events, \(n,\) or \(n, 1\), got \(2, 2\)"):
        RegAsProxyPull(lambda values, columns: values, True)(preds, targets)
    with pytest.raises(ConfigError, match=r"needs the column 'scale', got \['scael'\]; did you mean 'scael'\?; pass"):
        RegAsProxyPull(scaled, True, columns=["scale"])(preds, targets, columns={"scael": np.ones(2)})
    with pytest.raises(ConfigError, match=r"needs the column 'true', got \[\]; pass columns="):
        reg_as_proxy_pull(preds, targets, proxy_func=mass, return_mean=True, proxy_target="true")
    with pytest.raises(ConfigError, match="needs the option 'proxy_func'"):
        build("metric", {"name": "reg_as_proxy_pull", "return_mean": True})


def test_pulls_are_found_by_name():
    metric = build("metric", {"name": "RegPull", "return_mean": True, "label": "bias"})
    assert (metric.better, metric.label, metric.use_pull) == ("zero", "bias", True)
    metric = build("metric", {"name": "reg_as_proxy_pull", "proxy_func": mass, "return_mean": False})
    assert (metric.better, metric.label, list(metric.columns)) == ("lower", "reg_as_proxy_pull", [])
