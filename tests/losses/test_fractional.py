from __future__ import annotations

import pytest
import torch

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_losses import WeightedFractionalBinnedHuber, WeightedFractionalMSE


def test_fractional_mse_is_squared_error_over_true():
    y_pred, y = torch.tensor([[12.0, 9.0], [1.0, 7.0]]), torch.tensor([[10.0, 9.0], [4.0, 5.0]])
    torch.testing.assert_close(WeightedFractionalMSE()(y_pred, y), (y_pred - y) ** 2 / y)


def test_fractional_mse_of_negative_targets_has_its_minimum_at_the_target():
    y_pred = torch.tensor([[-3.0]], requires_grad=True)
    loss = WeightedFractionalMSE()(y_pred, torch.tensor([[-2.0]]))
    loss.sum().backward()
    assert loss.item() == 0.5
    assert y_pred.grad.item() == -1.0  # descent leads up, towards -2


@pytest.mark.parametrize(
    "compute",
    [
        lambda y: WeightedFractionalMSE()(y + 1, y),
        lambda y: WeightedFractionalBinnedHuber(0.5, [0, 10])(y + 1, y, None),
    ],
)
def test_fractional_losses_refuse_targets_of_zero(compute):
    with pytest.raises(DataError, match="1 of 3 are zero; leave these events out, or set min_true="):
        compute(torch.tensor([[1.0], [0.0], [2.0]]))


def test_min_true_is_the_least_scale():
    y = torch.tensor([[1.0], [0.0], [-0.1]])
    torch.testing.assert_close(WeightedFractionalMSE(min_true=0.5)(y + 1, y), torch.tensor([[1.0], [2.0], [2.0]]))


@pytest.mark.parametrize("min_true", [0.0, -1.0, float("nan")])
def test_min_true_must_be_positive(min_true):
    with pytest.raises(ConfigError, match="min_true must be positive"):
        WeightedFractionalMSE(min_true)
    with pytest.raises(ConfigError, match="min_true must be positive"):
        WeightedFractionalBinnedHuber(0.5, [0, 1], min_true=min_true)


def test_fractional_mse_refuses_other_shapes():
    with pytest.raises(ShapeError, match="one shape"):
        WeightedFractionalMSE()(torch.ones(4, 1), torch.ones(4))
