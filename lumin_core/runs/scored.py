"""Events of a fold file with what the models of a run say about them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from attrs import define, field

from lumin_core.display import count
from lumin_core.errors import ConfigError
from lumin_core.training.asking import Question
from lumin_core.training.prediction import fold_answers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.training.model import Model

BESIDE = "pred_tree"
"""The column of a fold file that holds what a boosted tree predicts, out of fold."""

MOST = 1_000_000
"""Events after which no further fold is asked about."""


@define(frozen=True, kw_only=True, eq=False)
class Scored:
    """Events with the predictions of a run's models.

    Attributes:
        df: A row per event: inputs and further columns by name, in the units of before the
            preprocessing; ``gen_target`` and ``gen_weight``, as `FoldYielder.get_df` names them;
            ``pred``, the mean over the models that were asked about the event, and ``model_<i>`` of
            each that was asked about all; ``pred_tree`` where the file has a column of
            that name, as ``lumin baseline`` writes it. Of several outputs they are ``pred_0``,
            ``pred_1``, ...
        models: Numbers of the models that have a column.
        text: Which events they are, and which models were asked, as a phrase.
    """

    df: pd.DataFrame = field(repr=False)
    models: Sequence[int]
    text: str


def score(models: Mapping[int, Model], fy: FoldYielder, left_out: Mapping[int, Collection[int]], what: str) -> Scored:
    """Ask models about the folds of a file, each once.

    Args:
        models: By number.
        fy: The file.
        left_out: By the number of the model, folds that it is not asked about.
        what: Which events they are, for the text.

    Returns:
        The events of the folds that at least one model is asked about; those of the first folds,
        where they are more than a million.

    Raises:
        ConfigError: If there is no such fold, or the file has other features or another
            preprocessing than a model.
    """
    asked = {fold: [i for i in models if fold not in left_out[i]] for fold in range(len(fy))}
    folds = [fold for fold in asked if asked[fold]]
    if not folds:
        raise ConfigError(f"there are none of {what}: each fold of {fy.foldfile.name} was used by all models")
    taken = _first(folds, fy)
    answers = {i: _answers(model, fy, [fold for fold in taken if i in asked[fold]]) for i, model in models.items()}
    df = _complete(pd.concat([_frame(fy, fold) for fold in taken], ignore_index=True))
    means = [np.mean([answers[i][fold] for i in asked[fold]], axis=0) for fold in taken]
    columns = _columns("pred", np.concatenate(means))
    everywhere = [i for i in models if all(i in asked[fold] for fold in taken)] if len(models) > 1 else []
    for i in everywhere:
        columns |= _columns(f"model_{i}", np.concatenate([answers[i][fold] for fold in taken]))
    of_all = "" if len(taken) == len(folds) else f"; those of the first {len(taken)} of {len(folds)} folds"
    text = f"{count(len(df), 'event')} {what}{of_all}"
    return Scored(df=df.assign(**columns), models=everywhere, text=text)


def _first(folds: Sequence[int], fy: FoldYielder) -> list[int]:
    """Return the first folds that together have a million events, or all."""
    before = np.cumsum([0, *(fy.get_data_count(fold) for fold in folds)])
    return [fold for fold, n in zip(folds, before, strict=False) if n < MOST]


def _answers(model: Model, fy: FoldYielder, folds: Sequence[int]) -> dict[int, np.ndarray]:
    question = Question(augment=False, raw_outputs=True)
    found = fold_answers(model, fy, folds, question)
    return {fold: answer.reshape(len(answer), -1) for fold, answer in zip(folds, found, strict=True)}


def _frame(fy: FoldYielder, fold: int) -> pd.DataFrame:
    """Return the columns of a fold, but for predictions that it holds; those of a tree are kept."""
    is_processed = any(fy.get_pipes(part) for part in ("inputs", "targets", "matrix"))
    has_tree = fy.get_column(BESIDE, fold_idx=fold) is not None
    df = fy.get_df(
        BESIDE if has_tree else "pred",
        fold_idx=fold,
        inc_inputs=True,
        inc_misc=True,
        deprocess=is_processed,
        verbose=False,
        suppress_warn=True,
    )
    preds = [name for name in df.columns if re.fullmatch(r"pred(_\d+)?", str(name))]
    if has_tree:
        return df.rename(columns={name: name.replace("pred", BESIDE) for name in preds})
    return df.drop(columns=preds)


def _complete(df: pd.DataFrame) -> pd.DataFrame:
    """Leave out what a boosted tree predicts of some of the events alone."""
    return df.drop(columns=[name for name in df.columns if str(name).startswith(BESIDE) and df[name].isna().any()])


def _columns(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    if values.shape[1] == 1:
        return {name: values[:, 0]}
    return {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
