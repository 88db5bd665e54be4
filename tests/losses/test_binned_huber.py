from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from lumin_core import BatchLoss, build
from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_losses import WeightedBinnedHuber, WeightedFractionalBinnedHuber

BINS = [0.0, 1.0, 2.0, 4.0]


def batch(n=200, seed=0, heavy_tail=0.05):
    generator = torch.Generator().manual_seed(seed)
    y = 4 * torch.rand(n, 1, generator=generator)
    delta = torch.randn(n, 1, generator=generator)
    delta[torch.rand(n, 1, generator=generator) < heavy_tail] *= 100
    w = -torch.rand(n, 1, generator=generator).log()
    return y + delta, y, w


def trained(loss, n_batches=3, **options):
    for seed in range(n_batches):
        loss(*batch(seed=seed, **options))
    return loss


def test_first_batch_sets_the_percentile_of_each_bin():
    y_pred, y, _ = batch()
    loss = WeightedBinnedHuber(0.68, BINS)
    loss(y_pred, y, None)
    squares = (y_pred - y).square().numpy()[:, 0]
    for i in range(3):
        inside = (y[:, 0].numpy() >= BINS[i]) & (y[:, 0].numpy() < BINS[i + 1])
        assert loss.thresholds[i].item() == np.quantile(squares[inside], 0.68, method="inverted_cdf")


def test_first_batch_percentile_is_weighted():
    squares, w = [1.0, 4.0, 9.0, 16.0], [1.0, 5.0, 1.0, 3.0]
    y = torch.full((4, 1), 0.5)
    y_pred = y + torch.tensor(squares)[:, None].sqrt()
    for perc, expected in [(0.05, 1.0), (0.1, 1.0), (0.11, 4.0), (0.6, 4.0), (0.7, 9.0), (0.71, 16.0), (0.99, 16.0)]:
        loss = WeightedBinnedHuber(perc, [0, 1])
        loss(y_pred, y, torch.tensor(w)[:, None])
        assert loss.thresholds.item() == pytest.approx(expected)


def test_value_and_slope_are_continuous_and_linear_above():
    loss = WeightedBinnedHuber(0.5, [0, 1]).eval()
    loss.thresholds.fill_(4.0)
    y = torch.zeros(1, 1)
    for delta, value, slope in [(1.0, 1.0, 2.0), (2.0, 4.0, 4.0), (2.001, 4.004, 4.0), (-10.0, 36.0, -4.0)]:
        y_pred = torch.full((1, 1), delta, requires_grad=True)
        result = loss(y_pred, y, None)
        result.backward()
        assert result.item() == pytest.approx(value)
        assert y_pred.grad.item() == pytest.approx(slope)


def test_fault_binned_huber_moves_its_thresholds_in_training_only():
    loss = trained(WeightedBinnedHuber(0.68, BINS))
    before = loss.thresholds.clone()
    loss.eval()
    for seed in range(10, 20):
        loss(*batch(seed=seed))
    assert torch.equal(loss.thresholds, before)
    loss.train()
    loss(*batch(seed=10))
    assert not torch.equal(loss.thresholds, before)


@pytest.mark.parametrize("perc", [0.5, 0.68, 0.9])
@pytest.mark.parametrize("n", [3, 30, 3000])
def test_thresholds_settle_at_the_percentile_however_few_events_a_bin_has(perc, n):
    """One event a bin, ten, or a thousand; 5% outliers 100 times too wide must not drag it along."""
    loss = WeightedBinnedHuber(perc, BINS, mom=0.02)
    history = []
    for seed in range(2500 if n < 3000 else 600):
        loss(*batch(n, seed))
        history.append(loss.thresholds.clone())
    settled = torch.stack(history[len(history) // 2 :]).log().mean(0).exp()
    y_pred, y, w = batch(400_000, seed=10**6)
    squares = (y_pred - y).square()
    for i in range(3):
        inside = (y >= BINS[i]) & (y < BINS[i + 1])
        share = w[inside & (squares <= settled[i])].sum() / w[inside].sum()
        assert share.item() == pytest.approx(perc, abs=0.05)


def test_thresholds_follow_a_falling_error():
    loss = WeightedBinnedHuber(0.68, [0, 1])
    y = torch.full((100, 1), 0.5)
    delta = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    for scale in [10.0] + [1.0] * 150:
        loss(y + scale * delta, y, None)
    assert loss.thresholds.item() == pytest.approx(delta.square().quantile(0.68).item(), rel=0.2)


def test_empty_bins_are_squared_until_they_have_events():
    loss = WeightedBinnedHuber(0.5, [0, 1, 2])
    y = torch.full((3, 1), 0.5)
    loss(y + 1, y, None)
    assert loss.thresholds.tolist() == [1.0, 0.0]
    loss.eval()
    assert loss(y + 11, y + 1, None).item() == pytest.approx(100.0)
    loss.train()
    loss(y + 4, y + 1, None)
    assert loss.thresholds.tolist() == [1.0, 9.0]


def test_bins_hold_their_lower_edge_and_the_last_its_upper():
    loss = WeightedBinnedHuber(0.5, [0, 1, 2])
    loss(torch.tensor([[1.0], [3.0], [5.0], [7.0], [9.0]]), torch.tensor([[0.0], [1.0], [2.0], [-1.0], [2.5]]), None)
    assert loss.thresholds.tolist() == [1.0, 4.0]


def test_edges_may_be_infinite():
    loss = WeightedBinnedHuber(0.5, [-float("inf"), 0, float("inf")])
    loss(torch.tensor([[-1e6], [1e6]]), torch.tensor([[-1e6 + 1], [1e6 - 2]]), None)
    assert loss.thresholds.tolist() == [1.0, 4.0]


@pytest.mark.parametrize("cls", [WeightedBinnedHuber, WeightedFractionalBinnedHuber])
@pytest.mark.parametrize("n_before", [0, 3])
@pytest.mark.parametrize("negative", [False, True])
def test_event_of_weight_zero_changes_nothing_and_of_two_is_the_event_twice(cls, n_before, negative):
    """In the loss, the gradients and the thresholds, in the first batch and later."""
    y_pred, y, w = batch(50, seed=9)
    if negative:
        w[::5] *= -0.5
    before = trained(cls(0.68, BINS), n_before)
    plain = _step(before, y_pred, y, w)
    zero = torch.tensor([[0.0], [0.0]])
    y_pred_padded = torch.cat([y_pred, torch.tensor([[0.5], [1e4]])])
    padded = _step(before, y_pred_padded, torch.cat([y, zero + 0.7]), torch.cat([w, zero]))
    heavy_w = w.clone()
    heavy_w[7] *= 2
    heavy = _step(before, y_pred, y, heavy_w)
    twice = _step(before, torch.cat([y_pred, y_pred[7:8]]), torch.cat([y, y[7:8]]), torch.cat([w, w[7:8]]))
    twice[1][7] += twice[1][50]
    for a, b in [(plain, padded), (heavy, twice)]:
        for left, right in zip(a, b, strict=True):
            torch.testing.assert_close(left[:50], right[:50], rtol=1e-4, atol=1e-5)
    assert (padded[1][50:] == 0).all()


def _step(loss, y_pred, y, w):
    """One batch through a copy: B times the loss, its gradients, and the thresholds after it."""
    loss = copy.deepcopy(loss)
    y_pred = y_pred.clone().requires_grad_()
    total = len(y) * loss(y_pred, y, w)
    total.backward()
    return total.detach()[None], y_pred.grad, loss.thresholds


def test_reported_loss_is_the_weighted_mean():
    """Whatever the events of weight zero beside, and whatever the scale of the weights."""
    loss = trained(WeightedBinnedHuber(0.68, BINS)).eval()
    y_pred, y, w = batch(seed=9)
    value = loss(y_pred, y, w)
    torch.testing.assert_close(loss(y_pred, y, 10 * w), value)
    padded = loss(torch.cat([y_pred, y_pred + 1]), torch.cat([y, y]), torch.cat([w, 0 * w]))
    torch.testing.assert_close(padded, value)
    torch.testing.assert_close(loss(y_pred, y, None), loss(y_pred, y, torch.ones_like(w)))


def test_bin_of_no_positive_weight_gets_no_threshold():
    y = torch.full((2, 1), 0.5)
    loss = WeightedBinnedHuber(0.5, [0, 1])
    loss(y + 1, y, torch.tensor([[-1.0], [0.5]]))
    assert loss.thresholds.tolist() == [0.0]
    loss(y + 1, y, torch.zeros(2, 1))
    assert loss.thresholds.tolist() == [0.0]


def test_perfect_predictions_leave_a_bin_without_threshold():
    """A threshold of zero would make the loss zero everywhere."""
    y = torch.full((4, 1), 0.5)
    loss = WeightedBinnedHuber(0.5, [0, 1])
    assert loss(y, y, None).item() == 0
    assert loss(y + 2, y, None).item() == pytest.approx(4)


def test_fractional_divides_by_true():
    y_pred, y, w = batch()
    y = y + 0.5
    fractional = trained(WeightedFractionalBinnedHuber(0.68, BINS, min_true=0.1)).eval()
    plain = WeightedBinnedHuber(0.68, BINS).eval()
    plain.thresholds.copy_(fractional.thresholds)
    torch.testing.assert_close(fractional(y_pred, y, w) * w.sum(), plain(y_pred, y, w / y) * (w / y).sum())


def test_fractional_has_the_thresholds_of_the_squared_error():
    fractional, plain = WeightedFractionalBinnedHuber(0.68, BINS, min_true=0.1), WeightedBinnedHuber(0.68, BINS)
    assert torch.equal(trained(fractional).thresholds, trained(plain).thresholds)


def test_several_targets_share_the_weights():
    y_pred, y, w = batch()
    two = WeightedBinnedHuber(0.68, BINS)(torch.cat([y_pred, y_pred], 1), torch.cat([y, y], 1), w)
    torch.testing.assert_close(two, WeightedBinnedHuber(0.68, BINS)(y_pred, y, w))


def test_thresholds_are_buffers_and_bins_of_the_caller_stay():
    bins = torch.tensor(BINS)
    loss = trained(WeightedBinnedHuber(0.68, bins))
    assert torch.equal(bins, torch.tensor(BINS))
    other = WeightedBinnedHuber(0.68, BINS)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.thresholds, loss.thresholds)
    assert not list(loss.parameters())


def test_found_by_name():
    loss = build("loss", {"name": "weighted_binned_huber", "perc": 0.68, "bins": BINS})
    assert isinstance(loss, WeightedBinnedHuber)
    assert isinstance(loss, BatchLoss)
    assert "perc=0.68, bins=[0.0, 1.0, 2.0, 4.0], mom=0.1" in repr(loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"perc": 1.0}, "perc must lie between 0 and 1"),
        ({"perc": 68}, "perc must lie between 0 and 1"),
        ({"mom": 0.0}, "mom must be above 0"),
        ({"mom": 1.1}, "mom must be above 0"),
        ({"bins": [1.0]}, "two increasing edges"),
        ({"bins": [1.0, 1.0]}, "two increasing edges"),
        ({"bins": [0.0, float("nan")]}, "two increasing edges"),
        ({"bins": [[0.0, 1.0]]}, "two increasing edges"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        WeightedBinnedHuber(**{"perc": 0.68, "bins": BINS, **options})


def test_shapes_are_checked():
    loss = WeightedBinnedHuber(0.68, BINS)
    with pytest.raises(ShapeError, match="one shape"):
        loss(torch.ones(4, 1), torch.ones(4), None)
    with pytest.raises(ShapeError, match=r"one an event, \(4, 1\), got \(3, 1\)"):
        loss(torch.ones(4, 1), torch.ones(4, 1), torch.ones(3, 1))
