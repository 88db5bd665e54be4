"""Asking one network: what is asked, who watches, and the batches on their way through it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import define, field

from lumin_core.errors import ConfigError
from lumin_core.model.members import mean_of_members
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
        spread: Whether networks with members are asked for the answers of these, too.

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
    spread: bool = False

    @classmethod
    def for_many(cls, pred_cb: Callable[[], PredCallback] | None, **options: Any) -> Question:
        """Make the question to several networks, each with a collecting callback of its own.

        Raises:
            ConfigError: If `pred_cb` cannot make them.
        """
        if pred_cb is not None and not callable(pred_cb):
            raise ConfigError(f"pred_cb must make a callback for each model: a class or a function, got {pred_cb!r}")
        return cls(make_handler=pred_cb or PredHandler, **options)


@define(frozen=True)
class Answered:
    """What a network answered about some events.

    Attributes:
        preds: What the collecting callback gives.
        members: Predictions of each member, shape ``(n, members, n_out)``, where the network has
            some and the spread is wanted.
    """

    preds: Answer
    members: np.ndarray | None = None

    def each(self, act: Callable[..., Answer], *others: Answered) -> Answered:
        """Apply a function of arrays to both, and to those of others beside them."""
        of_members = (self.members, *(other.members for other in others))
        members = None if self.members is None else as_array(act(*of_members))
        return Answered(act(*map(as_array, (self.preds, *(other.preds for other in others)))), members)

    def variance(self) -> np.ndarray:
        """Return the variance over members, of the predictions' shape; zero where there are none.

        Raises:
            ConfigError: If the collecting callback gives something else than the predictions.
        """
        if self.members is None:
            return np.zeros(np.shape(self.preds))
        variance: np.ndarray = self.members.var(axis=1, dtype=np.float64)
        if np.shape(self.preds) != variance.shape:
            raise ConfigError(
                f"the spread over members is of predictions, shape {variance.shape}, and pred_cb gives "
                f"{np.shape(self.preds)}; leave out pred_cb, or spread"
            )
        return variance


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

    def ask(self, by: BatchYielder, fy: FoldYielder | None = None) -> Answered:
        """Ask about all events of some batches.

        Args:
            by: The batches.
            fy: The data that they are of, if these are in a file.

        Returns:
            The answer.

        Raises:
            ConfigError: If the callback that should collect cannot, or collects another prediction.
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
        members: list[Tensor] | None = [] if self.question.spread and network.members > 1 else None
        with _collecting(handler):
            _run(params, plan, members)
            return Answered(handler.get_preds(), None if members is None else _joined(members, network))


def _joined(batches: list[Tensor], network: Network) -> np.ndarray:
    return as_array(torch.cat([torch.empty(0, network.members, network.n_out), *batches]))


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


def _run(fit_params: FitParams, plan: HookPlan, members: list[Tensor] | None = None) -> None:
    """Run all batches of ``fit_params.by`` through the network; the callbacks collect them.

    Args:
        fit_params: The state.
        plan: Who is called.
        members: Where predictions of members are collected, if they are wanted.
    """
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
                fit.y_pred = _predicted(fit.model, fit.x, members)
                for call in calls["on_forwards_end"]:
                    call(fit)
                for call in calls["on_batch_end"]:
                    call(fit)
        for call in calls["on_pred_end"]:
            call(fit)
    fit.forget_batch()


def _predicted(network: Network, x: Inputs, members: list[Tensor] | None) -> Tensor:
    if members is None:
        return network.to_prediction(_in_whole_rows(network.forward, x))
    outputs = _in_whole_rows(network.of_members, x)
    members.append(network.to_prediction(outputs).detach().float().cpu())
    return network.to_prediction(mean_of_members(outputs, network.objective))


def _in_whole_rows(ask: Callable[[Inputs], Tensor], x: Inputs) -> Tensor:
    """Ask about a batch, flat inputs in whole rows of vector units.

    The last rows of another number are rounded otherwise, so that what an event is given would
    depend on how many are asked about with it.
    """
    if not isinstance(x, torch.Tensor) or len(x) % _ROWS == 0:
        return ask(x)
    lacking = -len(x) % _ROWS
    return ask(torch.cat([x, x[-1:].expand(lacking, -1)]))[: len(x)]


def as_array(answer: Answer) -> np.ndarray:
    """Return what a collecting callback gave as an array of this machine's memory."""
    return answer.detach().cpu().numpy() if isinstance(answer, torch.Tensor) else np.asarray(answer)
