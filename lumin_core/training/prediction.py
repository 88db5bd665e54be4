r"""Predicting: events through one network or several, and all folds of a file.

Of several networks it is the weighted mean and how far they differ,

.. math:: y(x) = \frac{\sum_i a_i \, y_i(x)}{\sum_i a_i}, \qquad
    \delta(x)^2 = \frac{\sum_i a_i \, (y_i(x) - y(x))^2}{\sum_i a_i}

One network is the case of one: the mean is its answer, bit for bit. Where networks have members, of
variance :math:`v_i(x)` about their own mean, this is added to :math:`(y_i(x) - y(x))^2`: the spread
is that over all members of all networks (law of total variance).
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, option
from lumin_core.training.asking import Answered, Asker, as_array
from lumin_core.training.evaluation import evaluating
from lumin_core.training.fitting import check_features
from lumin_core.training.hints import say_trained_on, say_unprepared
from lumin_core.training.inputs import check_codes
from lumin_core.training.preparation import has_raw_inputs, output_steps, raw_outputs
from lumin_core.training.recorded import check_alike, check_preprocessing
from lumin_core.training.views import event_batches, recorded_views, say_plainly, with_augmentations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.training.asking import Answer, Question
    from lumin_core.training.network import Events, Network

    Prediction = tuple[int, Answer, np.ndarray]
    Chosen = Callable[[int], Sequence[int]]


NO_SPREAD = (
    "a spread needs at least two models: make an Ensemble of several, and ask that; or train one with members, such as "
    "those of the body tabm, whose spread it is"
)
"""Why a model has no spread, for messages."""


def predictions(
    networks: Sequence[Network],
    inputs: Events | FoldYielder,
    question: Question,
    *,
    weights: np.ndarray | None = None,
    chosen: Chosen | None = None,
) -> Iterator[Prediction]:
    """Predict; other threads' fits are kept out from the first fold to the last.

    Args:
        networks: Who may be asked.
        inputs: Events, which are one fold, of number 0, or the folds of a file, whose test-time
            variants are averaged.
        question: With what.
        weights: A positive number a network; by default all are equal.
        chosen: Function from the number of a fold to the numbers of the networks that are asked
            about it; by default all are.

    Yields:
        For each fold its number, the mean, shape ``(n, n_out)``, and the spread, of the same shape.

    Raises:
        ConfigError: If a file has other features or another preprocessing than a network, or one
            network than another; if ``raw`` or ``augment`` is asked for what cannot give it; if
            another thread fits a network.

    Example:
        >>> import numpy as np
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.training import Question, predictions
        >>> model = Model(ModelBuilder("regression", 1, ["pt"], seed=1))
        >>> [(_, mean, spread)] = predictions([model], np.ones((3, 1)), Question())
        >>> mean.shape, spread.tolist()
        ((3, 1), [[0.0], [0.0], [0.0]])
    """
    if not question.other_preprocessing:
        check_alike(networks, raw=question.raw, codes=not question.raw)
    askers = [Asker(network, question) for network in networks]
    shares = np.ones(len(networks)) if weights is None else weights
    numbers = chosen or (lambda _: range(len(networks)))
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(evaluating(network))
        if isinstance(inputs, FoldYielder):
            say_trained_on(networks, inputs, numbers)
        if isinstance(inputs, FoldYielder) and not question.raw:
            answered = _about_folds(askers, inputs, numbers)
        else:
            answered = _about_events(askers, _raw_folds(inputs, question), numbers)
        for fold, answers in answered:
            yield fold, *_combined(answers, shares[list(numbers(fold))])


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
        return [as_array(column) if as_np else torch.as_tensor(column) for column in columns]
    with fy.writing():
        for fold, *columns in found:
            for name, column in zip(names, columns, strict=False):
                values = as_array(column).astype(np.float32)
                values = values[:, 0] if values.shape[1:] == (1,) else values
                fy.save_fold_pred(values, fold, name, overwrite=overwrite)
    return []


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
    _look_at_file(network, fy)
    for _, fold in fy.training_folds(range(len(fy))):
        yield network.batches(fold["inputs"], bs, fold["targets"], fold["weights"], object_axis=fy.object_axis)


def fold_answers(network: Network, fy: FoldYielder, folds: Sequence[int], question: Question) -> list[np.ndarray]:
    """Ask one network about folds of a file as they are stored, those of its training too.

    Args:
        network: The network.
        fy: The file.
        folds: Numbers of the folds.
        question: With what; its views and raw inputs are left aside.

    Returns:
        For each fold the answer, shape ``(n, n_out)``.

    Raises:
        ConfigError: If the file has other features or another preprocessing.
    """
    asker, answers = Asker(network, question), []
    with evaluating(network):
        _check_file(network, fy, other_preprocessing=question.other_preprocessing)
        for number, fold in fy.training_folds(folds):
            inputs = fold["inputs"]
            check_codes(
                network, inputs[0] if isinstance(inputs, tuple) else inputs, f"fold {number} of {fy.foldfile.name}"
            )
            answer = asker.ask(network.batches(inputs, question.bs, object_axis=fy.object_axis), fy)
            answers.append(as_array(_in_unit(asker, answer).preds))
    return answers


def _look_at_file(network: Network, fy: FoldYielder) -> None:
    """Say whether a file that records no preprocessing lacks that of the training."""
    if network.record.preprocessing and not fy.get_pipes("inputs"):
        flat = fy.get_fold(0)["inputs"]
        say_unprepared(network, flat[0] if isinstance(flat, tuple) else flat)


def _check_file(network: Network, fy: FoldYielder, *, other_preprocessing: bool) -> None:
    """Refuse a file with other features or another preprocessing than a network's."""
    check_features(network.model_builder, fy)
    if not other_preprocessing:
        check_preprocessing(network, fy)


def _raw_folds(inputs: Events | FoldYielder, question: Question) -> Iterator[tuple[int, Events]]:
    """Give what is asked about at once: all events, or a fold's as they were before codes."""
    if not isinstance(inputs, FoldYielder):
        yield 0, inputs
        return
    fy = inputs
    if fy.get_pipes("inputs"):
        raise ConfigError(
            f"{option('raw')} is for arrays, data frames and files that record no preprocessing; {fy.foldfile.name} "
            "holds what was preprocessed: leave it out (get_df(deprocess=True) undoes it in predictions, too)"
        )
    if fy.augmentations and question.augment is None:
        raise ConfigError(
            "the yielder's augmentations are of what was preprocessed: pass augment=True or augment=False"
        )
    for fold in range(len(fy)):
        frame = pd.DataFrame(fy.get_column("inputs", fold_idx=fold), columns=fy.input_feats)
        mapped = {feat: fy.cat_maps[feat] for feat in fy.input_feats if feat in fy.cat_maps}
        yield fold, frame.assign(**{feat: frame[feat].map(values) for feat, values in mapped.items()})


def _about_events(
    askers: Sequence[Asker], folds: Iterable[tuple[int, Events]], chosen: Chosen
) -> Iterator[tuple[int, Iterable[Answered]]]:
    """Ask about events that are in no fold file, or as if they were in none."""
    for fold, events in folds:
        asked = [askers[i] for i in chosen(fold)]
        if asked[0].question.augment is None:
            say_plainly(asker.network for asker in asked)
        yield fold, (_answer(asker, events, is_first=asker is asked[0]) for asker in asked)


def _answer(asker: Asker, events: Events, *, is_first: bool) -> Answered:
    network, question = asker.network, asker.question
    steps = output_steps(network) if question.raw is True else []
    raw = bool(question.raw) and (has_raw_inputs(network) or not steps)
    made = event_batches(network, events, question.bs, raw=raw, augment=bool(question.augment))
    looked_at = _looked_at(network, made) if is_first and not raw else made
    [answer] = _averaged([asker.ask(by)] for by in looked_at)
    return answer.each(partial(raw_outputs, steps)) if steps else answer


def _looked_at(network: Network, made: Iterable[BatchYielder]) -> Iterator[BatchYielder]:
    """Say of the first batches whether they were not preprocessed as those of the training."""
    for i, by in enumerate(made):
        if i == 0 and by.input_mask is None:
            say_unprepared(network, by.inputs)
        yield by


def _about_folds(askers: Sequence[Asker], fy: FoldYielder, chosen: Chosen) -> Iterator[tuple[int, Iterable[Answered]]]:
    for asker in askers:
        _check_file(asker.network, fy, other_preprocessing=asker.question.other_preprocessing)
    _look_at_file(askers[0].network, fy)
    sources = _sources(askers, fy)
    for fold in range(len(fy)):
        answers: dict[int, Answered] = {}
        for source, members in sources:
            if asked := [i for i in chosen(fold) if i in members]:
                answers |= zip(asked, _averaged(_views([askers[i] for i in asked], source, fold)), strict=True)
        yield fold, [_in_unit(askers[i], answers[i]) for i in chosen(fold)]


def _in_unit(asker: Asker, answer: Answered) -> Answered:
    """Return an answer in the unit that is asked for."""
    steps = output_steps(asker.network) if asker.question.raw_outputs else []
    return answer.each(partial(raw_outputs, steps)) if steps else answer


def _sources(askers: Sequence[Asker], fy: FoldYielder) -> list[tuple[FoldYielder, list[int]]]:
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


def _views(askers: Sequence[Asker], fy: FoldYielder, fold: int) -> Iterator[list[Answered]]:
    """Ask about all variants of a fold, one after the other; each is read once."""
    keep_nan = any(asker.network.head.missing == "keep" for asker in askers)
    for variant in range(fy.aug_mult):
        inputs = fy.get_test_fold(fold, variant, keep_nan=keep_nan)["inputs"]
        flat = inputs[0] if isinstance(inputs, tuple) else inputs
        for asker in askers:
            check_codes(asker.network, flat, f"fold {fold} of {fy.foldfile.name}")
        yield [
            asker.ask(asker.network.batches(inputs, asker.question.bs, object_axis=fy.object_axis), fy)
            for asker in askers
        ]


def _averaged(views: Iterable[list[Answered]]) -> list[Answered]:
    """Average the answers to the views, network by network; to one view they stay what they are."""
    totals: list[Answered] = []
    n = 0
    for n, answers in enumerate(views, 1):
        pairs = zip(totals, answers, strict=True)
        totals = answers if n == 1 else [total.each(np.add, answer) for total, answer in pairs]
    return totals if n == 1 else [total.each(lambda values: values / n) for total in totals]


def _combined(answers: Iterable[Answered], weights: np.ndarray) -> tuple[Answer, np.ndarray]:
    """Compute weighted mean and standard deviation, answer by answer, that over members included.

    By West's recurrence one answer is held at a time.

    References:
        West, Communications of the ACM 22 (1979) 532, https://doi.org/10.1145/359146.359153
    """
    if len(weights) == 1:
        [answer] = answers
        return answer.preds, np.sqrt(answer.variance()).astype(np.float32)
    total, mean, squares = 0.0, np.zeros(()), np.zeros(())
    for weight, answer in zip(weights, answers, strict=True):
        preds = as_array(answer.preds)
        total += weight
        change = preds.astype(np.float64) - mean
        mean = mean + change * (weight / total)
        squares = squares + weight * (change * (preds - mean) + answer.variance())
    return mean.astype(np.float32), np.sqrt(squares / total).astype(np.float32)
