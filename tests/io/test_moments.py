import numpy as np
import pytest

from lumin_plugin_io.moments import BLOCK, Moments


def drawn(n=BLOCK, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal([0, 1e4, -3], [1, 1, 1e-3], (n, 3)).astype("f4")
    return x, rng.normal(1, 2, n)


@pytest.mark.parametrize("missing", [0, 0.3])
def test_moments_are_those_of_numpy(missing):
    x, weights = drawn()
    x[np.random.default_rng(2).random(x.shape) < missing] = np.nan
    moments = Moments.of_nothing(3)
    for piece in np.array_split(np.arange(len(x)), 7):
        moments.add(x[piece], weights[piece])
    for column in range(3):
        there = ~np.isnan(x[:, column])
        values, w = x[there, column].astype("f8"), np.abs(weights[there])
        mean = np.average(values, weights=w)
        assert moments.mean[column] == pytest.approx(mean, rel=1e-12)
        assert moments.variance[column] == pytest.approx(np.average((values - mean) ** 2, weights=w), rel=1e-9)
        assert moments.total[column] == pytest.approx(w.sum(), rel=1e-12)


def test_values_that_drift_lose_nothing():
    x = np.linspace(0, 1e6, 3 * BLOCK, dtype="f8")[:, None]
    moments = Moments.of_nothing(1)
    moments.add(x)
    assert moments.variance[0] == pytest.approx(x.var(), rel=1e-9)


def test_a_constant_has_no_variance_and_an_event_of_weight_zero_changes_nothing():
    x = np.full((2 * BLOCK, 2), 0.1, dtype="f4")
    moments, others = Moments.of_nothing(2), Moments.of_nothing(2)
    moments.add(x, np.random.default_rng(1).random(len(x)))
    assert np.sqrt(moments.variance).max() < 1e-15
    others.add(np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([1.0, 0.0]))
    assert others.mean.tolist() == [1, 2]


def test_plain_values_give_the_same_bits_again():
    x, weights = drawn(1000)
    moments = Moments.of_nothing(3)
    moments.add(x, weights)
    again = Moments.from_lists(moments.to_lists())
    assert again.to_lists() == moments.to_lists()
    again.merge(Moments.of_nothing(3))
    assert again.to_lists() == moments.to_lists()
