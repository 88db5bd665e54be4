from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import EvalMetric
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.statistics import bootstrap, get_moments
from lumin_plugin_metrics import (
    BackgroundRejection,
    RegAsProxyPull,
    RegPull,
    RocAucScore,
    background_rejection,
    binary_accuracy,
    reg_as_proxy_pull,
    reg_pull,
    roc_auc_score,
    signal_efficiency,
    with_uncertainty,
)


def test_the_uncertainty_of_an_accuracy_is_binomial():
    targets = np.arange(1000) % 2
    preds = np.where(np.arange(1000) < 200, 1 - targets, targets)
    value, uncertainty = with_uncertainty(binary_accuracy, preds, targets, n=400, seed=1)
    assert value == 0.8
    assert uncertainty == pytest.approx(np.sqrt(0.8 * 0.2 / 1000), rel=0.1)


@pytest.mark.parametrize("return_mean", [False, True])
def test_the_uncertainty_of_a_pull_is_its_standard_error(make_sample, return_mean):
    preds, targets, weights = make_sample("regression", n=2000, sign="negative")
    value, uncertainty = with_uncertainty(RegPull(return_mean), preds, targets, weights, n=400, seed=1)
    moments = get_moments(preds / targets - 1, weights)
    assert value == pytest.approx(moments.mean if return_mean else moments.sigma)
    assert uncertainty == pytest.approx(moments.mean_error if return_mean else moments.sigma_error, rel=0.15)


def test_the_uncertainty_is_on_average_the_spread_of_independent_samples(make_sample):
    metric = partial(signal_efficiency, background_efficiency=0.2)
    values = [metric(*make_sample("classification", 400, seed)) for seed in range(200)]
    samples = [make_sample("classification", 400, seed) for seed in range(40)]
    estimates = [with_uncertainty(metric, *events, n=60, seed=1)[1] for events in samples]
    assert np.mean(estimates) == pytest.approx(np.std(values), rel=0.2)


def test_it_is_the_spread_of_the_bootstrap(make_sample):
    events = make_sample("classification", sign="negative")
    events = [a[events[2] != 0] for a in events]
    expected = roc_auc_score(*events), pytest.approx(bootstrap(roc_auc_score, *events, n=50, seed=3).std(ddof=1))
    for metric in (roc_auc_score, RocAucScore()):
        assert with_uncertainty(metric, *events, n=50, seed=3) == expected


@pytest.mark.parametrize("shape", [(200,), (200, 1)])
def test_events_of_weight_zero_change_nothing(make_sample, shape):
    preds, targets, weights = make_sample("classification", sign="negative")
    used = weights != 0
    assert 0 < used.sum() < 200
    expected = with_uncertainty(roc_auc_score, preds[used], targets[used], weights[used], n=20, seed=3)
    assert with_uncertainty(roc_auc_score, preds, targets, weights.reshape(shape), n=20, seed=3) == expected


def test_it_takes_generators_lists_and_no_weights(make_sample):
    preds, targets, _ = make_sample("multiclass")
    first = with_uncertainty(roc_auc_score, preds, targets, n=20, seed=np.random.default_rng(2))
    assert first == with_uncertainty(RocAucScore(), preds.tolist(), targets.tolist(), n=20, seed=2)
    assert first != with_uncertainty(roc_auc_score, preds, targets, n=20, seed=3)


def test_columns_are_resampled_with_the_events():
    """In every resample the proxy is exactly the target, as each event keeps its own column."""
    rng = np.random.default_rng(1)
    scale, targets = rng.uniform(1, 2, 100), rng.uniform(50, 100, 100)

    def proxy(values, columns):
        return values[:, 0] * columns["scale"]

    columns = {"scale": scale, "true": targets * scale}
    metric = RegAsProxyPull(proxy, True, columns=["scale"], proxy_target="true")
    value, uncertainty = with_uncertainty(metric, targets, targets, None, columns, n=10, seed=1)
    assert (value, uncertainty) == (0, 0)
    function = partial(reg_as_proxy_pull, proxy_func=proxy, return_mean=True, proxy_target="true")
    assert with_uncertainty(function, 1.1 * targets, targets, None, columns, n=10, seed=1) == pytest.approx((0.1, 0))


def test_it_takes_metrics_of_others():
    class Total(EvalMetric):
        better = "higher"

        def evaluate(self, preds, targets, weights, columns):
            return float((weights * preds).sum())

    value, uncertainty = with_uncertainty(Total(), np.ones(100), np.ones(100), np.ones(100), n=5, seed=1)
    assert (value, uncertainty) == (100, 0)


def test_resamples_without_a_value_are_left_out():
    """Five signal events of 50: about one resample in two hundred has none."""
    targets = (np.arange(50) < 5).astype(int)
    preds = np.random.default_rng(1).normal(targets)

    def counted(*events):
        try:
            return roc_auc_score(*events)
        except DataError:
            missing.append(1)
            raise

    missing = []
    value, uncertainty = with_uncertainty(counted, preds, targets, n=400, seed=1)
    assert 0 < len(missing) < 40
    assert value == roc_auc_score(preds, targets)
    assert 0.03 < uncertainty < 0.3


def test_too_many_resamples_without_a_value_are_refused():
    targets = (np.arange(50) < 1).astype(int)
    preds = np.random.default_rng(1).normal(targets)
    with pytest.raises(DataError, match=r"at least 90% of the resamples, got \d\d of 100: .*use more events"):
        with_uncertainty(roc_auc_score, preds, targets, seed=1)
    with pytest.raises(DataError, match="got 0 of 100"):  # the rejection is infinite
        with_uncertainty(BackgroundRejection(1), np.arange(100) % 2, np.arange(100) % 2, seed=1)


def test_a_metric_that_is_not_defined_is_refused_as_by_itself():
    with pytest.raises(DataError, match="got no background in 2 events"):
        with_uncertainty(background_rejection, [0.1, 0.2], [1, 1])
    with pytest.raises(ShapeError, match="one length"):
        with_uncertainty(binary_accuracy, [0.1, 0.2], [1, 1, 0])


@pytest.mark.parametrize("n", [-1, 0, 1])
def test_one_resample_has_no_spread(n):
    with pytest.raises(ConfigError, match=f"at least 2 for a standard deviation, got {n}"):
        with_uncertainty(binary_accuracy, [0.1, 0.2], [0, 1], n=n)


def test_fault_seeds_no_metric_touches_the_global_generators(make_sample):
    """LUMIN's bootstraps reseed numpy's."""
    np.random.seed(5)
    before = np.random.get_state(), random.getstate(), torch.get_rng_state()
    regression, classification = make_sample("regression"), make_sample("classification")
    for mean in (True, False):
        reg_pull(*regression, return_mean=mean, use_bootstrap=True)
        RegAsProxyPull(lambda values, columns: values, mean, use_bootstrap=True)(*regression)
    for seed in (None, 1):
        with_uncertainty(roc_auc_score, *classification, n=10, seed=seed)
    after = np.random.get_state(), random.getstate(), torch.get_rng_state()
    assert (before[0][1] == after[0][1]).all()
    assert before[0][2:] == after[0][2:]
    assert before[1] == after[1]
    assert torch.equal(before[2], after[2])
