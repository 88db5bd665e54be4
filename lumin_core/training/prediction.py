"""Predicting: batches through the network, and all folds of a file."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.training.evaluation import evaluating

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.hook_plan import HookPlan


PREDICT_BS = 2048  # measured on one core: smaller batches cost calls, larger ones leave the cache


def predict_folds(
    fy: FoldYielder,
    pred_names: Sequence[str],
    ask: Callable[[int, Any], Sequence[Any]],
    combine: Callable[[int, list[np.ndarray]], Sequence[np.ndarray]] = lambda _, answers: answers,
) -> None:
    """Predict every fold, and save all predictions at once.

    Each answer is averaged over test-time variants.

    Args:
        fy: The data.
        pred_names: The columns' names.
        ask: Function from the number and the inputs of a fold to answers, one a model, of shape
            ``(n, n_out)``.
        combine: Function from the number of a fold and its averaged answers to the columns, of
            which as many are saved as have names; one output is saved as ``(n,)``. By default the
            answers are the columns.
    """
    with fy.writing():
        for fold in range(len(fy)):
            totals: Any = repeat(0)
            for variant in range(fy.aug_mult):
                answers = ask(fold, fy.get_test_fold(fold, variant)["inputs"])
                totals = [total + np.asarray(answer) for total, answer in zip(totals, answers, strict=False)]
            columns = combine(fold, [total / fy.aug_mult for total in totals])
            for name, column in zip(pred_names, columns, strict=False):
                preds = column.astype(np.float32)
                fy.save_fold_pred(preds[:, 0] if preds.shape[1:] == (1,) else preds, fold, name)


def run_predict(fit: FitParams, plan: HookPlan) -> None:
    """Run all batches of ``fit.by`` through the model; what comes out is the callbacks'."""
    calls = plan.calls
    fit.state = "test"
    with evaluating(fit.model):
        for call in calls["on_pred_begin"]:
            call(fit)
        fit.n_batches = len(fit.by)
        _predict_batches(fit, calls)
        for call in calls["on_pred_end"]:
            call(fit)
    fit.forget_batch()


def _predict_batches(fit: FitParams, calls: Mapping[str, Any]) -> None:
    with torch.set_grad_enabled(fit.val_requires_grad):
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by, 1):  # noqa: B020  (sets attributes)
            for call in calls["on_batch_begin"]:
                call(fit)
            fit.y_pred = fit.model.to_prediction(fit.model.forward(fit.x))
            for call in calls["on_forwards_end"]:
                call(fit)
            for call in calls["on_batch_end"]:
                call(fit)
