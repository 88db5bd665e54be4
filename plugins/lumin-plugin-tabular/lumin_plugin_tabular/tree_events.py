r"""Folds as boosted trees take them, and the weights that their training has.

As in the losses of a network the weights may be balanced between the classes: an event of class
:math:`c` counts :math:`w \, n / (K \sum_{i \in c} w_i)`, with sums over the events of the training;
without balance :math:`w \, n / \sum_i w_i`. The mean weight is 1, so that options of the tree mean
the same in any unit of the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from lumin_core.checks import did_you_mean
from lumin_core.data import check_finite, to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError, option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import FoldYielder

Negative = Literal["keep", "abs", "drop"]

NEGATIVE: dict[str, str] = {
    "keep": "as they are",
    "abs": "as their absolute values in the training",
    "drop": "left out of the training",
}
"""What may be done with negative weights, and how that is said."""


@attrs.frozen(eq=False)
class TreeFold:
    """The events of a fold.

    Attributes:
        inputs: Flat inputs, shape ``(n, F)``, NaN where missing.
        targets: Shape ``(n, n_targ)``.
        weights: Those of the file, shape ``(n,)``, or ``None``.
        of_training: What the training takes for weights, before they are scaled, shape ``(n,)``.
        is_negative: Where that was negative as it was given, shape ``(n,)``.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None
    of_training: np.ndarray
    is_negative: np.ndarray


def read_folds(
    fy: FoldYielder, *, negative: Negative, column: str | None = None, train_on_weights: bool = True
) -> list[TreeFold]:
    """Read all folds of a file.

    Args:
        fy: The file.
        negative: What is done with negative weights in the training.
        column: A column of the file that holds the weights of the training.
        train_on_weights: Whether the file's weights are used.

    Raises:
        ConfigError: If there is no such column.
        DataError: If it does not hold finite numbers.
        ShapeError: If the file has a matrix alone, or targets are tensors.
    """
    if not fy.get_use_cont_feats() + fy.get_use_cat_feats():
        raise ShapeError(f"a boosted tree takes columns, but {fy.foldfile.name} yields no flat inputs")
    if column is not None and column not in fy.columns():
        raise ConfigError(
            f"balance_classes needs the column {column!r}, which {fy.foldfile.name} does not have"
            f"{did_you_mean(column, fy.columns())}"
        )
    folds = []
    for number, fold in fy.training_folds(range(len(fy))):
        flat = fold["inputs"][0] if isinstance(fold["inputs"], tuple) else fold["inputs"]
        if fold["targets"].ndim > 2:
            raise ShapeError(f"a boosted tree takes targets of shape (n, n_targ), got {fold['targets'].shape}")
        targets = fold["targets"].reshape(len(flat), len(fy.targ_feats)).astype(np.float64)
        used = fold["weights"] if train_on_weights else None
        weights = None if used is None else used.reshape(-1).astype(np.float64)
        given = np.ones(len(flat)) if weights is None else weights
        given = given if column is None else _column(fy, column, number)
        folds.append(TreeFold(flat, targets, weights, _treated(given, negative), given < 0))
    return folds


def _treated(weights: np.ndarray, negative: Negative) -> np.ndarray:
    if negative == "keep":
        return weights
    return np.asarray(np.abs(weights) if negative == "abs" else np.clip(weights, 0, None))


def _column(fy: FoldYielder, column: str, number: int) -> np.ndarray:
    values = to_float32(fy.get_column(column, fold_idx=number), f"the column {column!r}").astype(np.float64)
    if values.size != len(values):
        raise ShapeError(f"the column {column!r} must hold one weight per event, got shape {values.shape}")
    check_finite(values.reshape(-1), [column], f"fold {number}")
    return values.reshape(-1)


def scaled_weights(folds: Mapping[int, TreeFold], train: Sequence[int], *, by_class: bool) -> dict[int, np.ndarray]:
    """Scale weights as the training of a tree has them, by what its training folds sum to.

    Args:
        folds: By number, those that stop the training too.
        train: Which of them are those of the training.
        by_class: Whether classes are balanced.

    Returns:
        Weights by number of the fold, each of shape ``(n,)``.

    Raises:
        DataError: If weights, or those of a class, do not have a positive sum.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular.tree_events import TreeFold, scaled_weights
        >>> w, targets = np.array([6.0, 1.0, 1.0]), np.array([[0.0], [1.0], [1.0]])
        >>> fold = TreeFold(np.zeros((3, 1)), targets, w, w, w < 0)
        >>> scaled_weights({0: fold}, [0], by_class=True)[0]
        array([1.5 , 0.75, 0.75])
        >>> scaled_weights({0: fold}, [0], by_class=False)[0]
        array([2.25 , 0.375, 0.375])
    """
    classes = {i: fold.targets[:, 0] if by_class else np.zeros(len(fold.inputs)) for i, fold in folds.items()}
    numbers = np.unique(np.concatenate(list(classes.values())))
    places = {i: np.searchsorted(numbers, values) for i, values in classes.items()}
    sums = np.zeros(len(numbers))
    for i in train:
        sums += np.bincount(places[i], folds[i].of_training, minlength=len(numbers))
    for number, total in zip(numbers, sums, strict=True):
        if not total > 0:
            raise DataError(_no_share(f"of class {number:g} " * by_class, total))
    n_events = sum(np.count_nonzero(folds[i].of_training) for i in train)
    factors = n_events / (len(numbers) * sums)
    return {i: fold.of_training * factors[places[i]] for i, fold in folds.items()}


def _no_share(of_class: str, total: float) -> str:
    return (
        f"the weights {of_class}sum to {total:g} in the training folds of a tree, and must have a positive sum; "
        f"have negative ones taken as 'abs', or all as one each by {option('train_on_weights', on=False)}"
    )
