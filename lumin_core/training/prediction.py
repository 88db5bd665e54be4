r"""Predicting: events through one network or several, and all folds of a file.

Of several networks it is the weighted mean and how far they differ,

.. math:: y(x) = \frac{\sum_i a_i \, y_i(x)}{\sum_i a_i}, \qquad
    \delta(x)^2 = \frac{\sum_i a_i \, (y_i(x) - y(x))^2}{\sum_i a_i}

One network is the case of one: the mean is its answer, bit for bit.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from attrs import define

from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError
from lumin_core.training.callback import PredHandler
from lumin_core.training.evaluation import evaluating, labelled
from lumin_core.training.fit_params import FitParams
from lumin_core.training.fitting import build_callbacks, check_features, hand_over
from lumin_core.training.hook_plan import HookPlan
from lumin_core.training.inputs import as_batches, check_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.model.blocks import Inputs
    from lumin_core.training.network import Events, Network, PredCallback

    Answer = ArrayLike | Tensor
    Prediction = tuple[int, Answer, np.ndarray]

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
        raw: Whether inputs are as before the preprocessing.
    """

    make_handler: Callable[[], PredCallback] = PredHandler
    cbs: object = None
    bs: int | None = None
    raw: bool = False

    @classmethod
    def for_many(cls, pred_cb: Callable[[], PredCallback] | None, cbs: object, bs: int | None, raw: bool) -> Question:
        """Make the question to several networks, each with a collecting callback of its own.

        Raises:
            ConfigError: If `pred_cb` cannot make them.
        """
        if pred_cb is not None and not callable(pred_cb):
            raise ConfigError(f"pred_cb must make a callback for each model: a class or a function, got {pred_cb!r}")
        return cls(make_handler=pred_cb or PredHandler, cbs=cbs, bs=bs, raw=raw)


def predictions(
    networks: Sequence[Network],
    inputs: Events | FoldYielder,
    question: Question,
    *,
    weights: np.ndarray | None = None,
    chosen: Callable[[int], Sequence[int]] | None = None,
) -> Iterator[Prediction]:
    """Predict.

    Args:
        networks: Who may be asked.
        inputs: Events, which are one fold, of number 0, or the folds of a file, whose test-time
            variants are averaged.
        question: With what.
        weights: A positive number a network; by default all are equal.
        chosen: Function from the number of a fold to the numbers of the networks that are asked
            about it; by default all are.

    Returns:
        For each fold its number, the mean, shape ``(n, n_out)``, and the spread, of the same shape.

    Raises:
        ConfigError: If a file has other features than a network, or ``raw`` is asked for it; if
            another thread fits a network.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.training.prediction import Question, predictions
        >>> model = Model(ModelBuilder("regression", 1, ["pt"], seed=1))
        >>> [(_, mean, spread)] = predictions([model], np.ones((3, 1)), Question())
        >>> mean.shape, spread.tolist()
        ((3, 1), [[0.0], [0.0], [0.0]])
    """
    askers = [_Asker(network, build_callbacks(question.cbs), question) for network in networks]
    shares = np.ones(len(networks)) if weights is None else weights
    numbers = chosen or (lambda _: range(len(networks)))
    if isinstance(inputs, FoldYielder):
        return _unchanged(networks, _of_folds(askers, inputs, shares, numbers))
    return _unchanged(networks, _of_events(askers, inputs, shares, numbers(0)))


def _unchanged(networks: Sequence[Network], found: Iterator[Prediction]) -> Iterator[Prediction]:
    """Keep other threads' fits out from the first fold to the last."""
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(evaluating(network))
        yield from found


def deliver(found: Iterator[Prediction], names: Sequence[str], fy: object, *, as_np: bool) -> list[np.ndarray | Tensor]:
    """Save what `predictions` found in the file, all at once, or return it.

    Args:
        found: The predictions.
        names: Columns for the mean and, if there is a second one, the spread.
        fy: The `FoldYielder`; what is none has no file.
        as_np: Whether to return arrays, or tensors.

    Returns:
        Mean and spread of events; nothing where they are in the file.
    """
    if not isinstance(fy, FoldYielder):
        [(_, *columns)] = found
        return [_as_array(column) if as_np else torch.as_tensor(column) for column in columns]
    with fy.writing():
        for fold, *columns in found:
            for name, column in zip(names, columns, strict=False):
                values = _as_array(column).astype(np.float32)
                fy.save_fold_pred(values[:, 0] if values.shape[1:] == (1,) else values, fold, name)
    return []


@define(frozen=True)
class _Asker:
    """A network and those who watch it being asked."""

    network: Network
    callbacks: list[object]
    question: Question

    def ask(self, by: BatchYielder, fy: FoldYielder | None = None) -> Answer:
        handler = self.question.make_handler()
        if not callable(getattr(handler, "get_preds", None)):
            raise ConfigError(f"pred_cb must have get_preds(), got {handler!r}; derive it from lumin_core.PredHandler")
        network, cbs = self.network, [*self.callbacks, handler]
        plan = HookPlan(cbs)
        params = FitParams(model=network, device=network.device, by=by, bs=by.bs, n_batches=len(by), cbs=cbs)
        if fy is not None:
            params.fy = fy
        hand_over(network, cbs)
        with _collecting(handler):
            run_predict(params, plan)
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


def _of_events(
    askers: Sequence[_Asker], inputs: Events, weights: np.ndarray, numbers: Sequence[int]
) -> Iterator[Prediction]:
    asked = [askers[i] for i in numbers]
    answers = (a.ask(as_batches(a.network, inputs, a.question.bs, raw=a.question.raw)) for a in asked)
    yield 0, *_combined(answers, weights[list(numbers)])


def _of_folds(
    askers: Sequence[_Asker], fy: FoldYielder, weights: np.ndarray, chosen: Callable[[int], Sequence[int]]
) -> Iterator[Prediction]:
    for asker in askers:
        if asker.question.raw:
            raise ConfigError("raw=True is for arrays and data frames; a fold file holds what was preprocessed")
        check_features(asker.network.model_builder, fy)
    keep_nan = any(asker.network.head.missing == "keep" for asker in askers)
    for fold in range(len(fy)):
        numbers = list(chosen(fold))
        asked = [askers[i] for i in numbers]
        totals: list[np.ndarray | float] = [0.0] * len(asked)
        for variant in range(fy.aug_mult):
            inputs = fy.get_test_fold(fold, variant, keep_nan=keep_nan)["inputs"]
            flat = inputs[0] if isinstance(inputs, tuple) else inputs
            for asker in asked:
                check_codes(asker.network, flat, f"fold {fold} of {fy.foldfile.name}")
            made = (a.network.batches(inputs, a.question.bs, object_axis=fy.object_axis) for a in asked)
            answers = (_as_array(a.ask(by, fy)) for a, by in zip(asked, made, strict=True))
            totals = [total + answer for total, answer in zip(totals, answers, strict=True)]
        yield fold, *_combined([np.asarray(total / fy.aug_mult) for total in totals], weights[numbers])


def _combined(answers: Iterable[Answer], weights: np.ndarray) -> tuple[Answer, np.ndarray]:
    """Compute weighted mean and standard deviation, answer by answer.

    By West's recurrence one answer is held at a time.

    References:
        West, Communications of the ACM 22 (1979) 532, https://doi.org/10.1145/359146.359153
    """
    if len(weights) == 1:
        [answer] = answers
        return answer, np.zeros(np.shape(answer), dtype=np.float32)
    total, mean, squares = 0.0, np.zeros(()), np.zeros(())
    for weight, given in zip(weights, answers, strict=True):
        answer = _as_array(given)
        total += weight
        change = answer.astype(np.float64) - mean
        mean = mean + change * (weight / total)
        squares = squares + weight * change * (answer - mean)
    return mean.astype(np.float32), np.sqrt(squares / total).astype(np.float32)


def _as_array(answer: Answer) -> np.ndarray:
    return answer.detach().cpu().numpy() if isinstance(answer, torch.Tensor) else np.asarray(answer)


def run_predict(fit_params: FitParams, plan: HookPlan) -> None:
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
                fit.y_pred = fit.model.to_prediction(_asked(fit.model, fit.x))
                for call in calls["on_forwards_end"]:
                    call(fit)
                for call in calls["on_batch_end"]:
                    call(fit)
        for call in calls["on_pred_end"]:
            call(fit)
    fit.forget_batch()


def _asked(network: Network, x: Inputs) -> Tensor:
    """Ask about a batch, flat inputs in whole rows of vector units.

    The last rows of another number are rounded otherwise, so that what an event is given would
    depend on how many are asked about with it.
    """
    if not isinstance(x, torch.Tensor) or len(x) % _ROWS == 0:
        return network.forward(x)
    lacking = -len(x) % _ROWS
    return network.forward(torch.cat([x, x[-1:].expand(lacking, -1)]))[: len(x)]
