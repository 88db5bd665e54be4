r"""Predicting: events through one network or several, and all folds of a file.

Of several networks it is the weighted mean and how far they differ,

.. math:: y(x) = \frac{\sum_i a_i \, y_i(x)}{\sum_i a_i}, \qquad
    \delta(x)^2 = \frac{\sum_i a_i \, (y_i(x) - y(x))^2}{\sum_i a_i}

One network is the case of one: the mean is its answer, bit for bit.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from attrs import define, field

from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, option
from lumin_core.training.assembly import check_raw
from lumin_core.training.callback import PredHandler
from lumin_core.training.evaluation import evaluating, labelled
from lumin_core.training.fit_params import FitParams
from lumin_core.training.fitting import build_callbacks, check_features, hand_over
from lumin_core.training.hook_plan import HookPlan
from lumin_core.training.inputs import as_batches, check_codes
from lumin_core.training.preparation import check_preprocessing, has_raw_inputs, output_steps, raw_outputs
from lumin_core.training.views import EventViews, recorded_views, say_plainly, with_augmentations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from lumin_core.model.blocks import Inputs
    from lumin_core.training.network import Events, Network, PredCallback, Raw

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
        raw: Whether inputs and outputs are as before the preprocessing; with ``"inputs"`` those
            alone.
        augment: Whether the answers are averaged over the views that a network recorded; ``None``
            for those of a yielder that has some.
        other_preprocessing: Whether a file may record another preprocessing than a network.

    Raises:
        ConfigError: If `raw` is something else.
    """

    make_handler: Callable[[], PredCallback] = PredHandler
    cbs: object = None
    bs: int | None = None
    raw: Raw = field(default=False, validator=lambda _self, _field, value: check_raw(value))
    augment: bool | None = None
    other_preprocessing: bool = False

    @classmethod
    def for_many(cls, pred_cb: Callable[[], PredCallback] | None, **options: Any) -> Question:
        """Make the question to several networks, each with a collecting callback of its own.

        Raises:
            ConfigError: If `pred_cb` cannot make them.
        """
        if pred_cb is not None and not callable(pred_cb):
            raise ConfigError(f"pred_cb must make a callback for each model: a class or a function, got {pred_cb!r}")
        return cls(make_handler=pred_cb or PredHandler, **options)


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
        ConfigError: If a file has other features or another preprocessing than a network, or
            ``raw`` or ``augment`` is asked for what cannot give it; if another thread fits a
            network.

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
    return _unchanged(networks, _found(askers, inputs, shares, numbers))


def _found(
    askers: Sequence[_Asker], inputs: FoldYielder | Events, shares: np.ndarray, numbers: Callable[[int], Sequence[int]]
) -> Iterator[Prediction]:
    if not isinstance(inputs, FoldYielder):
        return _of_events(askers, inputs, shares, numbers(0))
    if askers[0].question.raw:
        return _of_raw_folds(askers, inputs, shares, numbers)
    return _of_folds(askers, inputs, shares, numbers)


def _unchanged(networks: Sequence[Network], found: Iterator[Prediction]) -> Iterator[Prediction]:
    """Keep other threads' fits out from the first fold to the last."""
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(evaluating(network))
        yield from found


def deliver(
    found: Iterator[Prediction], names: Sequence[str], fy: object, *, as_np: bool, overwrite: bool = False
) -> list[np.ndarray | Tensor]:
    """Save what `predictions` found in the file, all at once, or return it.

    Args:
        found: The predictions.
        names: Columns for the mean and, if there is a second one, the spread.
        fy: The `FoldYielder`; what is none has no file.
        as_np: Whether to return arrays, or tensors.
        overwrite: Whether columns that no prediction wrote may be replaced.

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
                values = values[:, 0] if values.shape[1:] == (1,) else values
                fy.save_fold_pred(values, fold, name, overwrite=overwrite)
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

    def ask_about(self, inputs: Events) -> Answer:
        """Ask about events that are in no fold file, all of them at once."""
        network, question = self.network, self.question
        steps = output_steps(network) if question.raw is True else []
        raw = bool(question.raw) and (has_raw_inputs(network) or not steps)
        answer = self._of_views(inputs, raw=raw) if question.augment else self._of_one(inputs, raw=raw)
        return raw_outputs(steps, _as_array(answer)) if steps else answer

    def _of_one(self, inputs: Events, *, raw: bool) -> Answer:
        return self.ask(as_batches(self.network, inputs, self.question.bs, raw=raw))

    def _of_views(self, inputs: Events, *, raw: bool) -> Answer:
        if isinstance(inputs, BatchYielder):
            raise ConfigError("a BatchYielder holds events as they are, of which there are no views: leave augment out")
        views, bs = EventViews(self.network, inputs, raw=raw), self.question.bs
        made = (self.network.batches(view, bs, object_axis=views.object_axis) for view in views)
        return np.asarray(sum((_as_array(self.ask(by)) for by in made), start=0.0) / len(views))


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
    if asked and asked[0].question.augment is None:
        say_plainly(asker.network for asker in asked)
    yield 0, *_combined((asker.ask_about(inputs) for asker in asked), weights[list(numbers)])


def _of_raw_folds(
    askers: Sequence[_Asker], fy: FoldYielder, weights: np.ndarray, chosen: Callable[[int], Sequence[int]]
) -> Iterator[Prediction]:
    if fy.get_pipes("inputs"):
        raise ConfigError(
            f"{option('raw')} is for arrays, data frames and files that record no preprocessing; {fy.foldfile.name} "
            "holds what was preprocessed: leave it out (get_df(deprocess=True) undoes it in predictions, too)"
        )
    if fy.augmentations and askers[0].question.augment is None:
        raise ConfigError(
            "the yielder's augmentations are of what was preprocessed: pass augment=True or augment=False"
        )
    for fold in range(len(fy)):
        [(_, mean, spread)] = _of_events(askers, _raw_frame(fy, fold), weights, chosen(fold))
        yield fold, mean, spread


def _raw_frame(fy: FoldYielder, fold: int) -> pd.DataFrame:
    """Return the inputs of a fold by name, categories by value."""
    frame = pd.DataFrame(fy.get_column("inputs", fold_idx=fold), columns=fy.input_feats)
    mapped = {feat: fy.cat_maps[feat] for feat in fy.input_feats if feat in fy.cat_maps}
    return frame.assign(**{feat: frame[feat].map(values) for feat, values in mapped.items()})


def _check_file(network: Network, fy: FoldYielder, *, other_preprocessing: bool) -> None:
    """Refuse a file with other features or another preprocessing than a network's."""
    check_features(network.model_builder, fy)
    if not other_preprocessing:
        check_preprocessing(network, fy)


def fold_batches(
    network: Network, fy: FoldYielder, bs: int | None, *, other_preprocessing: bool = False
) -> Iterator[BatchYielder]:
    """Make the batches of all folds of a file as they are stored, with targets and weights.

    Args:
        network: Who will be asked.
        fy: The file.
        bs: Events in a batch.
        other_preprocessing: Whether the file may record another preprocessing than the network.

    Raises:
        ConfigError: If the file has other features or another preprocessing.
    """
    _check_file(network, fy, other_preprocessing=other_preprocessing)
    for _, fold in fy.training_folds(range(len(fy))):
        yield network.batches(fold["inputs"], bs, fold["targets"], fold["weights"], object_axis=fy.object_axis)


def _of_folds(
    askers: Sequence[_Asker], fy: FoldYielder, weights: np.ndarray, chosen: Callable[[int], Sequence[int]]
) -> Iterator[Prediction]:
    for asker in askers:
        _check_file(asker.network, fy, other_preprocessing=asker.question.other_preprocessing)
    sources = _sources(askers, fy)
    keep_nan = any(asker.network.head.missing == "keep" for asker in askers)
    for fold in range(len(fy)):
        numbers = list(chosen(fold))
        means: dict[int, Answer] = {}
        for source, members in sources:
            asked = [i for i in numbers if i in members]
            means |= zip(asked, _averaged([askers[i] for i in asked], source, fold, keep_nan=keep_nan), strict=True)
        yield fold, *_combined([means[i] for i in numbers], weights[numbers])


def _sources(askers: Sequence[_Asker], fy: FoldYielder) -> list[tuple[FoldYielder, list[int]]]:
    """Return how the file is opened, and for whom: those of the same views are asked together."""
    augment, everybody = askers[0].question.augment, list(range(len(askers)))
    if augment is None:
        if not fy.augmentations:
            say_plainly(asker.network for asker in askers)
        return [(fy, everybody)]
    if not augment:
        return [(with_augmentations(fy, []), everybody)]
    groups: dict[str, list[int]] = {}
    for i, asker in enumerate(askers):
        groups.setdefault(repr((asker.network.augmentations, asker.network.record.augmentations)), []).append(i)
    return [(with_augmentations(fy, recorded_views(askers[group[0]].network)), group) for group in groups.values()]


def _averaged(askers: Sequence[_Asker], fy: FoldYielder, fold: int, *, keep_nan: bool) -> list[np.ndarray]:
    """Ask about all variants of a fold, one after the other, and average the answers of each."""
    totals: list[np.ndarray | float] = [0.0] * len(askers)
    for variant in range(fy.aug_mult if askers else 0):
        inputs = fy.get_test_fold(fold, variant, keep_nan=keep_nan)["inputs"]
        flat = inputs[0] if isinstance(inputs, tuple) else inputs
        for asker in askers:
            check_codes(asker.network, flat, f"fold {fold} of {fy.foldfile.name}")
        made = (a.network.batches(inputs, a.question.bs, object_axis=fy.object_axis) for a in askers)
        answers = (_as_array(a.ask(by, fy)) for a, by in zip(askers, made, strict=True))
        totals = [total + answer for total, answer in zip(totals, answers, strict=True)]
    return [np.asarray(total / fy.aug_mult) for total in totals]


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
