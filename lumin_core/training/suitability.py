"""Whether the data suit what is asked of them, before a fit begins and anything is written."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch

from lumin_core import seeds
from lumin_core.errors import ConfigError, DataError
from lumin_core.model.loss import BatchLoss
from lumin_core.training.evaluation import NO_WEIGHTS, check_targets, metric_columns, metric_targets
from lumin_core.training.metric import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.training.metric import EvalMetric
    from lumin_core.training.network import Network


def check_targets_of(network: Network, fy: FoldYielder, folds: Iterable[int]) -> None:
    """Refuse targets that do not suit objective, outputs or loss.

    Args:
        network: Who learns them.
        fy: The data.
        folds: Indices of the folds.

    Raises:
        DataError: If there are none, or they are out of range.
        ShapeError: If their number is not that of the outputs.
    """
    for i in folds:
        check_targets(fy.get_column("targets", fold_idx=i, add_newaxis=True), network)


def check_weights_of(network: Network, fy: FoldYielder, folds: Iterable[int]) -> None:
    """Refuse folds whose weights sum to zero, unless the loss is a function of its own of them.

    Args:
        network: Who learns them.
        fy: The data.
        folds: Indices of the folds.

    Raises:
        DataError: Naming the fold.
    """
    if isinstance(network.loss, BatchLoss):
        return
    for i in folds:
        weights = fy.get_column("weights", fold_idx=i)
        if weights is not None and weights.sum(dtype=np.float64) == 0:
            raise DataError(f"fold {i}: {NO_WEIGHTS}")


def check_batch_of_one(network: Network, fy: FoldYielder, fold: int) -> None:
    """Refuse to train on single events where the network normalises over the batch.

    Args:
        network: The network; it stays as it is.
        fy: The data.
        fold: Index of a fold that is trained on.

    Raises:
        ConfigError: If it cannot be trained on one event.
    """
    names = [name for name, part in network.model.named_modules() if "batchnorm" in type(part).__name__.lower()]
    if not names:
        return
    trained = copy.deepcopy(network.model).train()
    for name in names:
        trained.get_submodule(name).register_forward_hook(_check_that_it_moves)
    inputs = fy.get_fold(fold)["inputs"]
    one = tuple(part[:1] for part in inputs) if isinstance(inputs, tuple) else inputs[:1]
    ((x, _, _),) = network.batches(one)
    with torch.no_grad(), seeds.torch_forked(network.device):
        try:
            network.forward(x, trained)
        except ValueError as error:  # torch's, or ours
            raise ConfigError(
                f"bs=1 does not go with batch norm, which takes the spread over the events of a batch ({names[0]}: "
                f"{error}); take a larger bs, or bn=False"
            ) from error


def _check_that_it_moves(norm: nn.Module, given: tuple[torch.Tensor, ...], output: object) -> None:
    """Refuse a norm that gives any single event the same, where torch's raises by itself."""
    again = norm.forward(torch.randn_like(given[0]), *given[1:])
    if isinstance(output, torch.Tensor) and torch.equal(again, output):
        raise ValueError(f"{type(norm).__name__} gives any single event the same")


def check_metrics(
    network: Network, fy: FoldYielder, val_idx: int, metrics: Sequence[EvalMetric], *, use_weights: bool = True
) -> None:
    """Refuse metrics that the validation fold does not allow, as an AUC of one class.

    They are tried on predictions that were made up: drawn at random, then as good as can be.

    Args:
        network: Who is going to be validated.
        fy: The data.
        val_idx: Index of the validation fold.
        metrics: The metrics; copies are asked.
        use_weights: Whether the weights of the file are used.

    Raises:
        DataError: Naming metric and fold, with the cause.
    """
    if not metrics:
        return
    targets = np.asarray(fy.get_column("targets", fold_idx=val_idx, add_newaxis=True))
    targets = metric_targets(targets, network.objective, network.loss)
    weights = fy.get_column("weights", fold_idx=val_idx, add_newaxis=True) if use_weights else None
    tries = _made_up(network.objective, network.n_out, targets)
    for metric in metrics:
        columns = metric_columns(metric, fy, val_idx)
        errors = [_error(metric, preds, targets, weights, columns) for preds in tries]
        if all(errors):
            raise DataError(
                f"the metric {metric.label!r} cannot be computed on the validation fold {val_idx}: {errors[-1]}"
            ) from errors[-1]


def _error(
    metric: EvalMetric,
    preds: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    columns: Mapping[str, np.ndarray],
) -> Exception | None:
    try:
        own = copy.deepcopy(metric)
    except Exception:  # noqa: BLE001  (what has no copy is not tried)
        return None
    try:
        value_of(own, preds, targets.copy(), weights, columns)
    except Exception as error:  # noqa: BLE001  (whatever it is, it would end the fit)
        return error
    return None


def _made_up(objective: str, n_out: int, targets: np.ndarray) -> list[np.ndarray]:
    """Make predictions of shape ``(n, n_out)``: at random, and near the targets."""
    rng, shape = np.random.default_rng(0), (len(targets), n_out)
    if objective == "multiclass":
        random = rng.exponential(size=shape)
        good = 0.01 * random + (targets[:, None] == np.arange(n_out))
        made = [values / values.sum(1, keepdims=True) for values in (random, good)]
    elif objective == "classification":
        random = rng.uniform(0.01, 0.99, size=shape)
        made = [random, 0.98 * np.broadcast_to(targets, shape) + 0.01 * random]
    else:
        noise = rng.normal(size=shape) * (targets.std() or 1.0)
        made = [targets.mean() + noise, np.broadcast_to(targets, shape) + 0.01 * noise]
    return [values.astype(np.float32) for values in made]
