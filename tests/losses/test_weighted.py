from __future__ import annotations

import pytest
import torch
from torch import nn

from lumin_core import build
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.model.loss import weighted_loss
from lumin_plugin_losses import WeightedCCE, WeightedMAE, WeightedMSE


def regression(n=20, n_targ=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, n_targ, generator=generator), torch.randn(n, n_targ, generator=generator)


@pytest.mark.parametrize(("ours", "torchs"), [(WeightedMSE, nn.MSELoss), (WeightedMAE, nn.L1Loss)])
def test_losses_equal_torchs_per_event(ours, torchs):
    y_pred, y = regression()
    assert torch.equal(ours()(y_pred, y), torchs(reduction="none")(y_pred, y))


@pytest.mark.parametrize("loss", ["weighted_mse", "weighted_mae"])
def test_fault_weighted_mse_and_mae_a_fit_learns_from_the_weighted_events_alone(loss):
    """With weights [1, 0] a fit learned 0.495 where 0 is right."""
    assert _fitted(build("loss", loss)) == pytest.approx(0, abs=0.02)


def _fitted(loss):
    y, w = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [0.0]])
    value = torch.full((1, 1), 0.7, requires_grad=True)
    opt = torch.optim.SGD([value], lr=0.02)
    for _ in range(300):
        opt.zero_grad()
        weighted_loss(loss, value.expand(2, 1), y, w).backward()
        opt.step()
    return value.item()


def test_fault_weighted_cce_an_event_of_weight_zero_gives_no_gradient():
    logits = torch.zeros(2, 3, requires_grad=True)
    weighted_loss(WeightedCCE(), logits.log_softmax(1), torch.tensor([0, 2]), torch.tensor([[1.0], [0.0]])).backward()
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0


def test_cce_equals_torchs_per_event():
    log_p = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    y = torch.arange(20) % 4
    assert torch.equal(WeightedCCE()(log_p, y), nn.NLLLoss(reduction="none")(log_p, y))
    class_weights = [1.0, 0.5, 2.0, 0.0]
    expected = nn.NLLLoss(weight=torch.tensor(class_weights), reduction="none")(log_p, y)
    assert torch.equal(WeightedCCE(class_weights)(log_p, y.int()), expected)


@pytest.mark.parametrize("loss", [WeightedMSE(), WeightedMAE()])
def test_losses_refuse_what_would_be_broadcast(loss):
    with pytest.raises(ShapeError, match=r"got \(4, 1\) and \(4,\); set n_out"):
        loss(torch.ones(4, 1), torch.ones(4))


@pytest.mark.parametrize(
    ("y_pred", "y", "error", "message"),
    [
        (torch.zeros(4, 3), torch.zeros(4, 1).long(), ShapeError, r"got \(4, 3\) and \(4, 1\)"),
        (torch.zeros(4), torch.zeros(4).long(), ShapeError, r"got \(4,\)"),
        (torch.zeros(4, 3), torch.zeros(4), DataError, "must be integers, got torch.float32"),
        (torch.zeros(4, 2), torch.zeros(4).long(), ShapeError, "one a class, got 3 for 2"),
    ],
)
def test_cce_refuses(y_pred, y, error, message):
    with pytest.raises(error, match=message):
        WeightedCCE([1, 1, 1])(y_pred, y)


@pytest.mark.parametrize("y", [-100, 3])
def test_cce_does_not_pass_over_a_class_that_does_not_exist(y):
    """Torch's own loss takes -100 for "ignore this event"."""
    with pytest.raises((RuntimeError, IndexError), match=r"index|out of"):
        WeightedCCE()(torch.zeros(1, 3), torch.tensor([y]))


@pytest.mark.parametrize("class_weights", [[[1.0]], [float("nan"), 1.0]])
def test_cce_refuses_class_weights(class_weights):
    with pytest.raises(ConfigError, match="a finite number for each class"):
        WeightedCCE(class_weights)
