"""The column ``train_weight``: rows of events as `Reweighting` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_plugin_io.file_columns import SAMPLE
from lumin_plugin_io.reweighting import Reweighting
from lumin_plugin_io.rows import MISC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_plugin_io.plan import Plan


def reweighting_of(recipe: Plan) -> Reweighting | None:
    """Return what makes training weights, with sums of nothing; ``None`` where none are wanted.

    Args:
        recipe: What is wanted.
    """
    if (wanted := recipe.train_weight) is None:
        return None
    return Reweighting(wanted.flat, wanted.to, is_balanced=wanted.balance is not None)


def as_events(recipe: Plan, sample: str, rows: np.ndarray, meanings: Sequence[Mapping[int, object]]) -> dict[str, Any]:
    """Return rows as the arguments of `Reweighting.add` and `Reweighting.weights_of`.

    Args:
        recipe: What is wanted.
        sample: Which the rows are of.
        rows: The rows.
        meanings: For each category what its numbers in these rows mean.
    """
    wanted = recipe.train_weight
    names = rows.dtype.names or ()
    balance = None if wanted is None else wanted.balance
    return {
        "sample": sample,
        "weights": rows["weights"].astype(np.float64) if "weights" in names else np.ones(len(rows)),
        "variables": {name: _column(recipe, rows, name) for name in (wanted.flat if wanted else ())},
        "classes": None if balance is None else _classes(recipe, sample, rows, balance, meanings),
    }


def _classes(
    recipe: Plan, sample: str, rows: np.ndarray, name: str, meanings: Sequence[Mapping[int, object]]
) -> np.ndarray:
    if name == SAMPLE:
        return np.full(len(rows), sample)
    if name not in recipe.cat_feats:
        return _column(recipe, rows, name)
    column = recipe.cat_feats.index(name)
    texts = {number: str(meaning) for number, meaning in meanings[column].items()}
    numbers, which = np.unique(rows["codes"][:, column], return_inverse=True)
    classes: np.ndarray = np.array([texts.get(number, "missing") for number in numbers.tolist()])[which]
    return classes


def _column(recipe: Plan, rows: np.ndarray, name: str) -> np.ndarray:
    """Return a variable, a target or a further column."""
    found: np.ndarray
    if name in recipe.cont_feats:
        found = rows["flat"][:, recipe.cont_feats.index(name)]
    elif name in recipe.targ_feats:
        found = rows["targets"][:, recipe.targ_feats.index(name)]
    else:
        found = rows[MISC + name]
    return found
