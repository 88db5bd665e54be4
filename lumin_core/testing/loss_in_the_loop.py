"""Checks of losses in a training: a weight means that event, and targets may be integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.model.loss import BatchLoss
from lumin_core.testing import samples
from lumin_core.testing.loss_batches import Batches, batches_of
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.small_fits import PlainBody, small_model

if TYPE_CHECKING:
    from pathlib import Path

    from lumin_core.testing.subject import Subject

    Array = np.ndarray[Any, Any]

_N_EVENTS = 24
_RATE = 0.05
_NONE = 1e-12
_LARGEST = 10  # of integer targets that are numbers
_FEATS = samples.CONT_FEATS[:3]


def check_loss_weight_two(subject: Subject) -> None:
    """In a training, weight two is the event twice."""
    weights = np.where(np.arange(_N_EVENTS) % 3, 1.0, 2.0)
    rows = np.repeat(np.arange(_N_EVENTS), weights.astype(int))
    _expect_equal(batches_of(subject)[0], weights, rows, "weight two to be the event twice")


def check_loss_weight_zero(subject: Subject) -> None:
    """In a training, an event of weight zero is none."""
    weights = np.where(np.arange(_N_EVENTS) % 3, 1.0, 0.0)
    _expect_equal(batches_of(subject)[0], weights, np.flatnonzero(weights), "an event of weight zero to be none")


def check_loss_integer_targets(subject: Subject) -> None:
    """Targets that are stored as integers are trained on."""
    batches = batches_of(subject)[0]
    try:
        loss, _ = _trained(batches, np.arange(_N_EVENTS), np.ones(_N_EVENTS), is_integer=True)
    except Exception as error:
        raise CheckFailed(
            f"expected a training on targets that are stored as integers, got {type(error).__name__}: {error} "
            f"({batches}); the loop gives targets as float32, for multiclass as int64: convert with y.to(y_pred.dtype)"
        ) from error
    if not np.isfinite(loss):
        raise CheckFailed(f"expected a finite loss for targets that are stored as integers, got {loss} ({batches})")


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
    """Take one step with all events as a batch; return the loss behind it, and the weights.

    The objective is a mean over the rows, so that the rate is as many times higher as they are. A
    loss that is no such sum is only reported: nothing moves.
    """
    is_sum = not isinstance(batches.loss, BatchLoss) or batches.loss.is_weighted_sum
    rate = _RATE * len(rows) / _N_EVENTS if is_sum else _NONE
    path = _fold_file(batches, rows, weights, is_integer=is_integer)
    with FoldYielder(path) as fy:
        options = {"opt_args": {"opt": "core/sgd", "lr": rate}, "body": _Linear, "loss": batches.fresh()}
        model = small_model(fy, batches.objective, batches.n_out, **options)
        model.fit(1, fy, len(rows), trn_idxs=[0], val_idx=1, seed=5, visible_bar=False)
    fitted: Any = model.fit_params
    return fitted.history["valid"]["loss"][0], model.get_weights()


def _fold_file(batches: Batches, rows: Array, weights: Array, *, is_integer: bool) -> Path:
    """Write events to a file, twice."""
    x, (_, y) = samples.momenta(_N_EVENTS).flatten(1)[:, : len(_FEATS)].numpy(), batches.draw(_N_EVENTS)
    targets = (y.numpy() * _LARGEST).round() if is_integer and y.max() < 1 else y.numpy()
    names = [f"target_{i}" for i in range(targets.shape[1])] if targets.ndim > 1 else "target"
    dtype = "int64" if is_integer or batches.objective == "multiclass" else "float32"
    path = samples.folder() / "events.hdf5"
    with FoldFileWriter(path, cont_feats=_FEATS, targ_feats=names, targ_type=dtype, wgt_feat="weight") as file:
        for fold in range(2):  # on one it is trained, on the other it is validated
            file.append(fold, inputs=x[rows], targets=targets[rows].astype(dtype), weights=weights)
    return path


class _Linear(PlainBody):
    """One without norm and dropout, in which events do not depend on each other."""

    def __init__(self, n_in: int, feat_map: dict[str, list[int]]) -> None:
        super().__init__(n_in, feat_map)
        self.layer = nn.Sequential(nn.Linear(n_in, 4), nn.Tanh())
