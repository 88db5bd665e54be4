"""Evaluation: what a network answers to whole folds, and its loss and metrics."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from lumin_core.checks import as_list
from lumin_core.errors import ConfigError, DataError
from lumin_core.model.loss import BatchLoss, summed, weighted_loss
from lumin_core.model.targets import check_targets as check_for_loss
from lumin_core.training.metric import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from torch import Tensor

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.blocks import Inputs
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.metric import EvalMetric
    from lumin_core.training.network import Network

    Labelled = tuple[Inputs, Tensor, Tensor | None]


NO_WEIGHTS = (
    "the weights of the fold sum to 0, so that its weighted mean loss is undefined; take another fold, or "
    "train_on_weights=False"
)
"""Why a fold cannot be trained or validated on, for messages."""


class FoldLoss:
    r"""The loss of a fold, :math:`\sum_i w_i l_i / \sum_i w_i`, from the objectives of its batches.

    Args:
        leave_out_nan: Whether batches of which the loss is NaN are left out, unless all are.

    Example:
        >>> import torch
        >>> from lumin_core.training.evaluation import FoldLoss
        >>> total = FoldLoss()
        >>> total.add(torch.tensor(1.0), 2, torch.tensor([[1.0], [3.0]]))
        >>> total.value()
        0.5
    """

    def __init__(self, *, leave_out_nan: bool = False) -> None:
        self._leave_out_nan = leave_out_nan
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._weights: list[Tensor] = []

    def add(self, loss_val: Tensor, n_events: int, w: Tensor | None) -> None:
        """Add a batch.

        Args:
            loss_val: Its objective, a scalar.
            n_events: Its number of events.
            w: Its weights, shape ``(B, 1)``, or ``None`` for one each.
        """
        self._losses.append(loss_val.detach())
        self._sizes.append(n_events)
        if w is not None:
            self._weights.append(summed(w).reshape(1))

    def value(self) -> float:
        """Return the loss; NaN where there was no batch.

        Raises:
            DataError: If the weights sum to zero, for then it is undefined.
        """
        if not self._losses:
            return nan
        losses, sizes = torch.stack(self._losses).double().cpu().numpy(), np.array(self._sizes)
        if self._leave_out_nan and not np.isnan(losses).all():
            losses, sizes = losses[~np.isnan(losses)], sizes[~np.isnan(losses)]
        total = float(losses @ sizes)
        norm = float(torch.cat(self._weights).double().sum()) if self._weights else float(sizes.sum())
        if norm == 0:
            raise DataError(NO_WEIGHTS)
        return total / norm


def evaluating(network: Network, *others: nn.Module) -> AbstractContextManager[None]:
    """Have networks and loss in evaluation mode, inside the block, and back where they were not.

    Callbacks may ask the model in the middle of a training.

    Raises:
        ConfigError: If another thread fits the network.
    """
    return network.use.asking([part for part in (network.model, network.loss, *others) if isinstance(part, nn.Module)])


class Answers:
    """What a network answered to the batches of a fold, and the loss of the whole.

    Args:
        loss: The loss, per event or a `BatchLoss`.

    Example:
        >>> import torch
        >>> from lumin_core.training.evaluation import Answers
        >>> answers = Answers(torch.nn.MSELoss(reduction="none"))
        >>> answers.add(torch.ones(2, 1), torch.zeros(2, 1), None, torch.tensor(1.0))
        >>> answers.loss(), answers.y_pred().shape
        (1.0, torch.Size([2, 1]))
    """

    def __init__(self, loss: Callable[..., Tensor]) -> None:
        self._loss = loss
        self._total = FoldLoss()
        self._batches: list[tuple[Tensor, Tensor, Tensor | None]] = []

    def add(self, y_pred: Tensor, y: Tensor, w: Tensor | None, loss_val: Tensor) -> None:
        """Add a batch: outputs ``(B, n_out)``, targets, weights ``(B, 1)`` and the objective."""
        self._total.add(loss_val, len(y_pred), w)
        self._batches.append((y_pred.detach(), y, w))

    def y_pred(self) -> Tensor:
        """Return the outputs of the fold, shape ``(n, n_out)``."""
        return torch.cat([y_pred for y_pred, *_ in self._batches])

    def loss(self) -> float:
        """Return the loss: the weighted mean, or the fold's as one batch for a `BatchLoss`.

        It is NaN where an output is, whatever the loss makes of that.

        Raises:
            DataError: If the weights sum to zero.
        """
        if self.y_pred().isnan().any():
            return nan
        if not isinstance(self._loss, BatchLoss):
            return self._total.value()
        weights = [w for *_, w in self._batches if w is not None]
        y = torch.cat([y for _, y, _ in self._batches])
        return float(self._loss(self.y_pred(), y, torch.cat(weights) if weights else None))


def labelled(by: Iterable[object]) -> Iterable[Labelled]:
    """Return batches that are known to have targets."""
    return cast("Iterable[Labelled]", by)


def evaluate(network: Network, by: Iterable[object], module: nn.Module | None = None) -> Answers:
    """Ask a network about a whole fold, without callbacks; its mode is what it was afterwards.

    Args:
        network: The network.
        by: The batches of the fold, or of several, with targets.
        module: Another one of the same inputs and outputs, to be asked in its place.

    Returns:
        The answers.
    """
    answers = Answers(network.loss)
    with evaluating(network, *([] if module is None else [module])), torch.no_grad():
        for x, y, w in labelled(by):
            y_pred = network.forward(x, module)
            answers.add(y_pred, y, w, weighted_loss(network.loss, y_pred, y, w))
    return answers


def validated(fit_params: FitParams, module: nn.Module) -> dict[str, float]:
    """Compute loss and metrics of another network on the validation fold, without callbacks.

    Args:
        fit_params: The state of the fit, in or after a validation: in ``on_fold_end`` or
            ``on_epoch_end``.
        module: A network of the same inputs and outputs, such as an average over the weights
            of the model's.

    Returns:
        The ``"loss"``, and each metric by its label.

    Raises:
        ConfigError: If there is no validation fold at hand.

    Example:
        >>> from lumin_core import Callback, validated
        >>> class Half(Callback):
        ...     def on_epoch_end(self, fit_params):
        ...         if fit_params.state == "valid":
        ...             self.values = validated(fit_params, fit_params.model.model)
    """
    if fit_params.state != "valid" or fit_params.by is None:
        raise ConfigError("validated(...) works on the validation fold: call it in on_epoch_end of the state 'valid'")
    return validation_values(fit_params, evaluate(fit_params.model, fit_params.by, module))


def validation_values(fit_params: FitParams, answers: Answers) -> dict[str, float]:
    """Return the loss of the validation fold, and every metric.

    Args:
        fit_params: The state of the fit, in a validation.
        answers: What a network answered to its fold. Where its loss is not finite, metrics are NaN.
    """
    by, network, values = fit_params.by, fit_params.model, {"loss": answers.loss()}
    if not isfinite(values["loss"]):
        return {**undefined_values(fit_params), **values}
    if not fit_params.metrics or by.targets is None:
        return values
    preds = network.to_prediction(answers.y_pred()).cpu().numpy()
    targets = metric_targets(by.targets, network.objective, fit_params.loss_func)
    weights = by.weights if fit_params.metric_weights is None else fit_params.metric_weights
    weights = weights if by.use_weights else None
    for metric in fit_params.metrics:
        columns = metric_columns(metric, fit_params.fy, fit_params.val_idx)
        values[metric.label] = value_of(metric, preds, targets, weights, columns)
    return values


def undefined_values(fit_params: FitParams) -> dict[str, float]:
    """Return NaN as the loss of the validation fold, and as every metric."""
    return dict.fromkeys(["loss", *(metric.label for metric in fit_params.metrics)], nan)


def metric_targets(targets: np.ndarray, objective: str, loss: object) -> np.ndarray:
    """Return targets as metrics see them: classes as ``(n,)``, and no nuisances of a `BatchLoss`.

    Args:
        targets: Shape ``(n, n_targ)`` or ``(n,)``.
        objective: That of the network.
        loss: The loss.
    """
    targets = targets.reshape(-1) if objective == "multiclass" else targets
    return loss.main_targets(targets) if isinstance(loss, BatchLoss) else targets


def metric_columns(metric: EvalMetric, fy: FoldYielder, val_idx: int | None) -> dict[str, np.ndarray]:
    """Read the columns that a metric needs.

    Args:
        metric: The metric.
        fy: The data.
        val_idx: Index of the validation fold.

    Raises:
        DataError: If the fold lacks one.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, build
        >>> from lumin_core.training import metric_columns
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> metric_columns(build("metric", "binary_accuracy"), FoldYielder(path), 0)
        {}
    """
    columns = {}
    for name in as_list(metric.columns):
        column = fy.get_column(name, fold_idx=val_idx)
        if column is None:
            raise DataError(
                f"fold {val_idx} lacks the column {name!r}, which the metric {metric.label!r} needs and other folds "
                "have; add it, or validate on another fold"
            )
        columns[name] = column
    return columns


def check_targets(targets: np.ndarray | None, network: Network) -> None:
    """Refuse targets that one of torch's losses cannot take, or would broadcast.

    Any other loss has its own rules; one derived from torch's may have its own for their range and
    number, but not for one column against several, which torch would silently compare with each.

    Args:
        targets: Shape ``(n, n_targ)`` or ``(n,)``.
        network: The network that learns them.

    Raises:
        DataError: If there are none, or they are out of range for the objective.
        ShapeError: If their number is not that of the outputs.
    """
    check_for_loss(network.loss, network.objective, network.n_out, targets)
