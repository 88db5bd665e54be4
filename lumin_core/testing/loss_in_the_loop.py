"""Checks of losses in a training: a weight means that event, and targets may be integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.model.loss import BatchLoss
from lumin_core.testing import samples
from lumin_core.testing.loss_batches import Batches, batches_of
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.small_fits import small_model

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject

    Array = np.ndarray[Any, Any]

_N_EVENTS = 24
_RATE = 0.05
_FEATS = samples.CONT_FEATS[:3]


def check_loss_weight_two(subject: Subject) -> None:
    """In a training, weight two is the event twice."""
    for batches in batches_of(subject)[:1]:
        weights = np.where(np.arange(_N_EVENTS) % 3, 1.0, 2.0)
        rows = np.repeat(np.arange(_N_EVENTS), weights.astype(int))
        _expect_equal(batches, weights, rows, "weight two to be the event twice")


def check_loss_weight_zero(subject: Subject) -> None:
    """In a training, an event of weight zero is none."""
    for batches in batches_of(subject)[:1]:
        weights = np.where(np.arange(_N_EVENTS) % 3, 1.0, 0.0)
        _expect_equal(batches, weights, np.flatnonzero(weights), "an event of weight zero to be none")


def check_loss_integer_targets(subject: Subject) -> None:
    """Targets that are stored as integers are trained on."""
    rows = np.arange(_N_EVENTS)
    refusals = []
    for batches in batches_of(subject):
        try:
            loss, _ = _trained(batches, rows, np.ones(_N_EVENTS), is_integer=True)
        except Exception as error:  # whatever it is
            refusals.append(f"{type(error).__name__}: {error} ({batches})")
            continue
        if not np.isfinite(loss):
            refusals.append(f"a loss of {loss} ({batches})")
    if refusals:
        raise CheckFailed(
            f"expected a training on targets that are stored as integers, got {refusals[0]}; the loop gives targets as "
            "float32, for multiclass as int64: convert with y.to(y_pred.dtype)"
        )


def _expect_equal(batches: Batches, weights: Array, rows: Array, what: str) -> None:
    """Train one step on weighted events, and on those that they stand for."""
    loss, network = _trained(batches, np.arange(_N_EVENTS), weights)
    other, expected = _trained(batches, rows, np.ones(len(rows)))
    if not np.isclose(loss, other, rtol=1e-4):
        raise CheckFailed(
            f"expected {what}, with a loss of {other:.6g}, got {loss:.6g} ({batches}); a loss gives one unweighted "
            "value per event, and a BatchLoss takes w in every sum"
        )
    for name, value in expected.items():
        if not torch.allclose(network[name], value, rtol=1e-3, atol=1e-5):
            raise CheckFailed(
                f"expected {what}, but the step of {name} differs by {(network[name] - value).abs().max():.3g} "
                f"({batches}); a loss gives one unweighted value per event, and a BatchLoss takes w in every sum"
            )


def _trained(
    batches: Batches, rows: Array, weights: Array, *, is_integer: bool = False
) -> tuple[float, dict[str, torch.Tensor]]:
    """Take one step of gradient descent with all events as a batch; give their loss before, and the weights."""
    is_sum = not isinstance(batches.loss, BatchLoss) or batches.loss.is_weighted_sum
    rate = _RATE * (len(rows) / _N_EVENTS if is_sum else 1.0)  # of the mean over the rows
    with _events(batches, rows, weights, is_integer) as fy:
        model = small_model(
            fy,
            batches.objective,
            batches.n_out,
            loss=batches.fresh(),
            opt_args={"opt": {"name": "core/sgd", "lr": rate}},
            body=_Linear,
        )
        model.fit(1, fy, len(rows), trn_idxs=[0], val_idx=1, seed=5, visible_bar=False)
    return model.fit_params.history["train"]["loss"][0], model.get_weights()
