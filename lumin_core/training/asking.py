"""Asking one network: what is asked, who watches, and the batches on their way through it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import define, field

from lumin_core.errors import ConfigError
from lumin_core.training.assembly import check_raw
from lumin_core.training.callback import PredHandler
from lumin_core.training.evaluation import evaluating, labelled
from lumin_core.training.fit_params import FitParams
from lumin_core.training.fitting import build_callbacks, hand_over
from lumin_core.training.hook_plan import HookPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike
    from torch import Tensor

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.blocks import Inputs
    from lumin_core.training.network import Network, PredCallback, Raw

    Answer = ArrayLike | Tensor

_ROWS = 16
_lock = threading.Lock()
_at_work: set[int] = set()  # the handlers that collect


@define(frozen=True, kw_only=True)
class Question:
    """What networks are asked with, beside the inputs.

    Attributes:
        make_handler: Makes the callback that collects the predictions, anew for each network
            and fold.
        cbs: Further callbacks, made anew for each network.
        bs: Events in a batch.
        raw: Whether inputs and outputs are as before the preprocessing; with ``"inputs"`` those
            alone.
        augment: Whether the answers are averaged over the views that a network recorded; ``None``
            for those of a yielder that has some.
        other_preprocessing: Whether a file may record another preprocessing than a network.
        raw_outputs: Whether outputs about folds are as targets were before the preprocessing.

    Raises:
        ConfigError: If `raw` is something else.
    """

    make_handler: Callable[[], PredCallback] = PredHandler
    cbs: object = None
    bs: int | None = None
    raw: Raw = field(default=False, validator=lambda _self, _field, value: check_raw(value))
    augment: bool | None = None
    other_preprocessing: bool = False
    raw_outputs: bool = False

    @classmethod
    def for_many(cls, pred_cb: Callable[[], PredCallback] | None, **options: Any) -> Question:
        """Make the question to several networks, each with a collecting callback of its own.

        Raises:
            ConfigError: If `pred_cb` cannot make them.
        """
        if pred_cb is not None and not callable(pred_cb):
            raise ConfigError(f"pred_cb must make a callback for each model: a class or a function, got {pred_cb!r}")
        return cls(make_handler=pred_cb or PredHandler, **options)


class Asker:
    """A network and those who watch it being asked.

    Args:
        network: The network.
        question: With what it is asked.
    """

    def __init__(self, network: Network, question: Question) -> None:
        self.network = network
        self.question = question
        self._callbacks = build_callbacks(question.cbs)

    def ask(self, by: BatchYielder, fy: FoldYielder | None = None) -> Answer:
        """Ask about all events of some batches.

        Args:
            by: The batches.
            fy: The data that they are of, if these are in a file.

        Returns:
            What the collecting callback gives.

        Raises:
            ConfigError: If that is no collecting callback, or is collecting another prediction.
        """
        handler = self.question.make_handler()
        if not callable(getattr(handler, "get_preds", None)):
            raise ConfigError(f"pred_cb must have get_preds(), got {handler!r}; derive it from lumin_core.PredHandler")
        network, cbs = self.network, [*self._callbacks, handler]
        plan = HookPlan(cbs)
        params = FitParams(model=network, device=network.device, by=by, bs=by.bs, n_batches=len(by), cbs=cbs)
        if fy is not None:
            params.fy = fy
        hand_over(network, cbs)
        with _collecting(handler):
            _run(params, plan)
            return handler.get_preds()


@contextmanager
def _collecting(handler: PredCallback) -> Iterator[None]:
    """Refuse a handler that collects the batches of another prediction meanwhile."""
    with _lock:
        if id(handler) in _at_work:
            raise ConfigError(
                f"this pred_cb collects another prediction just now, and would mix the two: {handler!r}; "
                "make one for each prediction"
            )
        _at_work.add(id(handler))
    try:
        yield
    finally:
        _at_work.remove(id(handler))


def _run(fit_params: FitParams, plan: HookPlan) -> None:
    """Run all batches of ``fit_params.by`` through the network; the callbacks collect them."""
    fit, calls = fit_params, plan.calls
    fit.state = "test"
    with evaluating(fit.model):
        for call in calls["on_pred_begin"]:
            call(fit)
        fit.n_batches = len(fit.by)
        with torch.set_grad_enabled(fit.val_requires_grad):
            for fit.batch, (fit.x, fit.y, fit.w) in enumerate(labelled(fit.by), 1):  # noqa: B020  (sets attributes)
                for call in calls["on_batch_begin"]:
                    call(fit)
                fit.y_pred = fit.model.to_prediction(_in_whole_rows(fit.model, fit.x))
                for call in calls["on_forwards_end"]:
                    call(fit)
                for call in calls["on_batch_end"]:
                    call(fit)
        for call in calls["on_pred_end"]:
            call(fit)
    fit.forget_batch()


def _in_whole_rows(network: Network, x: Inputs) -> Tensor:
    """Ask about a batch, flat inputs in whole rows of vector units.

    The last rows of another number are rounded otherwise, so that what an event is given would
    depend on how many are asked about with it.
    """
    if not isinstance(x, torch.Tensor) or len(x) % _ROWS == 0:
        return network.forward(x)
    lacking = -len(x) % _ROWS
    return network.forward(torch.cat([x, x[-1:].expand(lacking, -1)]))[: len(x)]


def as_array(answer: Answer) -> np.ndarray:
    """Return what a collecting callback gave as an array of this machine's memory."""
    return answer.detach().cpu().numpy() if isinstance(answer, torch.Tensor) else np.asarray(answer)
