"""The state of a fit: what callbacks read and, where `hookspecs` says so, change."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.blocks import Inputs
    from lumin_core.training.metric import EvalMetric
    from lumin_core.training.network import Network

State = Literal["train", "valid", "test"]
_UNSET: Any = None  # what has no value outside its phase is typed as what it is within
History = dict[str, dict[str, list[float]]]


def empty_history() -> History:
    """Make a history: ``{"train": {"loss": []}, "valid": {"loss": []}}``.

    Metrics join the latter. ``history["train"]["loss"]`` has an entry per training fold,
    ``history["valid"][...]`` one per validation epoch.

    Example:
        >>> from lumin_core.training.fit_params import empty_history
        >>> empty_history()
        {'train': {'loss': []}, 'valid': {'loss': []}}
    """
    return {"train": {"loss": []}, "valid": {"loss": []}}


@define(kw_only=True, eq=False)
class FitParams:
    """The state of a fit or a prediction, shared by the loop and the callbacks.

    What belongs to a batch, a fold or a fit is ``None`` outside of it.

    Attributes:
        model: The model being trained or asked.
        state: ``"train"``, ``"valid"`` or ``"test"``.
        epoch: Number of the epoch, from 1; 0 before the first.
        sub_epoch: Number of training folds begun so far, over all epochs.
        n_epochs: Number of epochs asked for.
        bs: Batch size.
        n_batches: Number of batches in the current fold.
        batch: Number of the current batch in its fold, from 1.
        by: The source of batches for the current fold; may be replaced in ``on_fold_begin``. That
            of validation stays until the end of its epoch.
        fy: The source of folds; ``None`` when arrays are predicted.
        opt: The optimiser.
        loss_func: The loss, per event or a `BatchLoss`.
        trn_idxs: Indices of the training folds.
        trn_idx: Index of the current training fold.
        val_idx: Index of the validation fold, or ``None``.
        cbs: The callbacks, in the order listed.
        metrics: The metrics, in the order listed.
        stop: Set it to end the training after the current fold (or validation).
        cb_savepath: Folder for what callbacks save.
        device: Where the model is.
        val_requires_grad: Set it to have gradients during validation and prediction.
        x: Inputs of the batch, ``(B, F)`` or ``(flat, matrix)``.
        y: Targets of the batch, ``(B, n_targ)``, for multiclass ``(B,)``; ``None`` in prediction.
        w: Weights of the batch, ``(B, 1)``, or ``None``.
        y_pred: Predictions of the batch, ``(B, n_out)``; of members the mean.
        y_members: In training of a network with members their predictions,
            ``(B, members, n_out)``, of which the loss is taken; else ``None``.
        loss_val: The objective of the batch, a scalar; ``None`` in prediction.
        history: See `empty_history`.
        rng: Numpy's generator for callbacks.
        generator: Torch's generator for the shuffling of events, on the CPU.
        kept: Loss and metrics of the weights that a callback put in place at the end, as
            `save_best` does; ``None`` where the fit ends with its last weights.
        failed: Why the training has diverged, ``None`` as long as it has not. The loop sets it
            before ``on_fold_end`` where the loss of a fold is not finite; a callback that has put
            the model in order there, or in ``on_train_end``, sets it back. ``on_epoch_end`` is not
            called for such an epoch, and the fit ends with the last good one.
        events: For the fold in ``by``, the indices of its events in the file's fold, in their
            order, shape ``(n,)``: set by whoever takes events out, or other ones in. ``None`` for
            all in their order; forgotten after the fold.
        metric_weights: Event weights of the validation fold in ``by`` that metrics take, shape
            ``(n, 1)``, where those of ``by`` are for the loss alone; ``None`` for these. Forgotten
            after the fold.
        at_end: What is done when a fit ends, also where it fails or Ctrl-C stops it:
            ``fit_params.at_end.callback(file.close)`` in ``on_train_begin``.
        data: For callbacks to share what else they like; it is not part of a checkpoint.

    Example:
        >>> from lumin_core import Callback, FitParams
        >>> class HalveTheLoss(Callback):
        ...     def on_forwards_end(self, fit_params: FitParams) -> None:
        ...         if fit_params.state == "train":
        ...             fit_params.loss_val = fit_params.loss_val / 2
    """

    model: Network
    device: torch.device
    opt: torch.optim.Optimizer = _UNSET
    loss_func: Callable[..., Tensor] = _UNSET
    fy: FoldYielder = _UNSET
    state: State = "train"
    epoch: int = 0
    sub_epoch: int = 0
    n_epochs: int = 0
    bs: int = 0
    n_batches: int = 0
    batch: int = 0
    by: BatchYielder = _UNSET
    trn_idxs: Sequence[int] = ()
    trn_idx: int = _UNSET
    val_idx: int | None = None
    cbs: Sequence[object] = ()
    metrics: Sequence[EvalMetric] = ()
    stop: bool = False
    cb_savepath: Path = _UNSET
    val_requires_grad: bool = False
    x: Inputs = _UNSET
    y: Tensor = _UNSET
    w: Tensor | None = None
    y_pred: Tensor = _UNSET
    y_members: Tensor = _UNSET
    loss_val: Tensor = _UNSET
    history: History = field(factory=empty_history)
    rng: np.random.Generator = _UNSET
    generator: torch.Generator = _UNSET
    kept: Mapping[str, float] | None = None
    failed: str | None = None
    events: np.ndarray | None = None
    metric_weights: np.ndarray | None = None
    at_end: ExitStack = field(factory=ExitStack)
    data: dict[str, Any] = field(factory=dict)

    @property
    def batches_per_epoch(self) -> int:
        """Number of training batches of an epoch, which schedules count by."""
        return sum(self.fy.get_data_count(i) // self.bs for i in self.trn_idxs)

    def forget_batch(self) -> None:
        """Let go of the data of a fold and its batches."""
        for name in ("by", "x", "y", "w", "y_pred", "y_members", "loss_val", "events", "metric_weights"):
            setattr(self, name, None)

    def reached(self) -> dict[str, float]:
        """Return how good the model is that the fit ended with, or is at: loss and metrics.

        Returns:
            Those of the weights that a callback put in place; else of the last validation, where
            there is one.
        """
        last = {name: values[-1] for name, values in self.history["valid"].items() if values}
        kept = last if self.kept is None else self.kept
        return {name: float(value) for name, value in kept.items()}
