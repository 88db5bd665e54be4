"""What holds for every loss that is registered: a weight means that event."""

from __future__ import annotations

import copy

import pytest
import torch

from lumin_core import BatchLoss, registry
from lumin_core.model.loss import build_loss, weighted_loss

OPTIONS = {
    "hep/disco": {"loss": "mse_loss", "coef": 0.1, "on": "all"},
    "hep/significance_loss": {"sig_wgt": 50.0, "bkg_wgt": 1000.0},
    "losses/weighted_binned_huber": {"perc": 0.68, "bins": [0.0, 0.3, 0.6, 1.0]},
    "losses/weighted_fractional_binned_huber": {"perc": 0.68, "bins": [0.0, 0.3, 0.6, 1.0]},
}
MULTICLASS = {"core/nll_loss", "losses/weighted_cce"}
LOSSES = [component.qualified for component in registry.components("losses")]
N = 40


def make(name):
    """A loss with what it needs, and a batch: outputs before the last activation, targets, weights."""
    loss = build_loss({"name": name, **OPTIONS.get(name, {})}, "multiclass" if name in MULTICLASS else "regression")
    generator = torch.Generator().manual_seed(1)
    n_out = 3 if name in MULTICLASS else 1
    z = torch.randn(N, n_out, generator=generator, dtype=torch.float64)
    y = torch.rand(N, 1, generator=generator, dtype=torch.float64)
    y = (3 * y[:, 0]).long() if name in MULTICLASS else y.clamp(min=0.01)
    if name == "hep/disco":  # the nuisance is a target, too
        y = torch.cat([y, torch.rand(N, 1, generator=generator, dtype=torch.float64)], dim=1)
    return loss, z, y, -torch.rand(N, 1, generator=generator, dtype=torch.float64).log()


def summed(name, loss, z, y, w):
    """Σ w l and its gradients, by a copy of the loss: some have state."""
    z = z.clone().requires_grad_()
    y_pred = z.log_softmax(1) if name in MULTICLASS else z.sigmoid()
    if isinstance(loss, BatchLoss) and not loss.is_weighted_sum:  # as reported: no sum over events
        total = copy.deepcopy(loss).double().eval()(y_pred, y, w)
    else:
        total = len(y) * weighted_loss(copy.deepcopy(loss).double(), y_pred, y, w)
    total.backward()
    return total.detach(), z.grad


def test_there_are_losses():
    assert {"core/mse_loss", "losses/weighted_mse", "losses/weighted_binned_huber"} <= set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("negative", [False, True])
def test_event_of_weight_zero_changes_nothing(name, negative):
    loss, z, y, w = make(name)
    w[::7] *= -0.5 if negative else 1
    total, gradients = summed(name, loss, z, y, w)
    padded, more = summed(name, loss, torch.cat([z, z[:5] + 1]), torch.cat([y, y[:5]]), torch.cat([w, 0 * w[:5]]))
    torch.testing.assert_close(padded, total)
    torch.testing.assert_close(more[:N], gradients)
    assert (more[N:] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("negative", [False, True])
def test_weight_of_two_equals_the_event_twice(name, negative):
    loss, z, y, w = make(name)
    w[::7] *= -0.5 if negative else 1
    for i in (7, 8):
        heavy = w.clone()
        heavy[i] *= 2
        total, gradients = summed(name, loss, z, y, heavy)
        rows = [*range(N), i]
        twice, more = summed(name, loss, z[rows], y[rows], w[rows])
        more[i] += more[N]
        torch.testing.assert_close(twice, total)
        torch.testing.assert_close(more[:N], gradients)


@pytest.mark.parametrize("name", LOSSES)
def test_no_weights_are_weights_of_one(name):
    loss, z, y, w = make(name)
    for a, b in zip(summed(name, loss, z, y, None), summed(name, loss, z, y, torch.ones_like(w)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", LOSSES)
def test_negative_weight_pushes_its_event_the_other_way(name):
    loss, z, y, w = make(name)
    negative = w.clone()
    negative[3] *= -0.1
    total, gradients = summed(name, loss, z, y, negative)
    _, plain = summed(name, loss, z, y, w)
    assert total.isfinite()
    assert gradients.isfinite().all()
    assert (gradients[3] * plain[3] <= 0).all()
    assert (gradients[3] * plain[3] < 0).any()
