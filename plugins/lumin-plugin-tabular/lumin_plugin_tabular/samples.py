"""Rows of data frames: a sample of them, and one number for what several columns tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lumin_core import seeds
from lumin_core.checks import check_flags, positive
from lumin_core.data import as_frame, as_numbers
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.model import objective_of
from lumin_core.statistics import total_weight
from lumin_plugin_tabular.categories import check_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Rows = NDArray[np.intp]


def subsample_df(
    df: pd.DataFrame,
    objective: str,
    targ_name: str,
    n_samples: int | None = None,
    replace: bool = False,
    strat_key: str | None = None,
    wgt_name: str | None = None,
    *,
    seed: int | None = None,
) -> pd.DataFrame:
    """Draw rows of a data frame at random; their weights sum to what they did, class by class.

    Args:
        df: One row an event: a data frame, a dict of columns, or an array of records.
        objective: What the data are for, as for `ModelBuilder`: of a regression all events are
            one class.
        targ_name: Column of the targets.
        n_samples: How many rows; by default, with ``replace``, as many as there are.
        replace: Whether a row may be drawn several times.
        strat_key: Column whose classes keep their shares, but for rounding to whole rows.
        wgt_name: Column of weights to scale; without it none is changed.
        seed: Of the draw; by default fresh.

    Returns:
        A new data frame, rows in the order of ``df``, with its index: where that has no label
        twice, ``df.drop(sample.index)`` are the others.

    Raises:
        ConfigError: If nothing is to be drawn, or ``n_samples`` is not a positive integer.
        DataError: If there are fewer rows than ``n_samples``, a column is missing, or the weights
            of a class cannot be scaled: none of it is drawn, or they sum to 0 or change their sign.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_tabular import subsample_df
        >>> df = pd.DataFrame({"is_signal": [0, 0, 0, 0, 1, 1], "weight": [3.0] * 4 + [0.1] * 2})
        >>> options = {"strat_key": "is_signal", "wgt_name": "weight", "seed": 1}
        >>> subsample_df(df, "classification", "is_signal", 3, **options)
           is_signal  weight
        2          0     6.0
        3          0     6.0
        5          1     0.2
    """
    df, is_regression = as_frame(df), objective_of(objective) == "regression"
    check_flags(replace=replace)
    for name in (targ_name, strat_key, wgt_name):
        if name is not None:
            check_column(df, name, "the data")
    n = _n_samples(n_samples, len(df), replace=replace)
    strata = np.zeros(len(df), dtype=np.int64) if strat_key is None else _codes(df[strat_key])
    rows = _draw(strata, n, seeds.stream(seeds.check(seed), "subsample"), replace=replace)
    sample = df.iloc[rows].copy()
    if wgt_name is not None:
        classes = np.zeros(len(df), dtype=np.int64) if is_regression else _codes(df[targ_name])
        weights = as_numbers(df[wgt_name], f"the column {wgt_name!r} of the data").astype(np.float64)
        sample[wgt_name] = _rescaled(weights, classes, rows)
    return sample


def _n_samples(n_samples: int | None, n_rows: int, *, replace: bool) -> int:
    if n_samples is None and not replace:
        raise ConfigError("n_samples=None without replace=True gives every row as it is; say how many, or replace=True")
    n = n_rows if n_samples is None else positive(n_samples, "n_samples")
    if not n_rows or (n > n_rows and not replace):
        raise DataError(f"n_samples={n} cannot be drawn from {n_rows} rows; take fewer, or replace=True")
    return n


def _codes(column: pd.Series) -> NDArray[np.int64]:
    return pd.factorize(column, use_na_sentinel=False)[0].astype(np.int64)


def _draw(strata: NDArray[np.int64], n: int, rng: np.random.Generator, *, replace: bool) -> Rows:
    """Draw rows, of each class its share: rounded down, and the largest remainders up."""
    counts = np.bincount(strata)
    shares, remainders = np.divmod(n * counts, len(strata))
    shares[np.argsort(-remainders, kind="stable")[: n - shares.sum()]] += 1
    places = (np.flatnonzero(strata == i) for i in range(len(counts)))
    drawn = [rng.choice(rows, share, replace=replace) for rows, share in zip(places, shares, strict=True)]
    return np.sort(np.concatenate(drawn))


def _rescaled(weights: NDArray[np.float64], classes: NDArray[np.int64], rows: Rows) -> NDArray[np.float64]:
    """Scale weights of chosen rows so that they sum, class by class, to those of all."""
    given = weights[rows]
    for i in range(int(classes.max()) + 1):
        chosen = classes[rows] == i
        factor = total_weight(weights[classes == i], "a class") / total_weight(
            given[chosen], "the rows drawn of a class"
        )
        if factor < 0:
            msg = "the weights of the rows drawn of a class sum to another sign than those of all of it: draw more rows"
            raise DataError(msg)
        given[chosen] *= factor
    return given


def ids2unique(ids: pd.DataFrame | Mapping[str, object] | np.ndarray | Sequence[Sequence[object]]) -> NDArray[np.int64]:
    """Number rows of ids, such as run and event: equal rows get one number, others get others.

    The numbers 0, 1, 2, ... are in order of first appearance. They hold within a call: rows that
    are appended do not change the numbers of those before them, but another selection does. What is
    to be compared goes into one call.

    Args:
        ids: Shape ``(n, k)``: columns of a data frame, an array, or a list of tuples; of integers,
            text or whatever can be told apart. Their order counts: (1, 2) is not (2, 1).

    Returns:
        Shape ``(n,)``.

    Raises:
        ShapeError: If it is not of two axes.
        DataError: If an id is missing.

    Example:
        >>> from lumin_plugin_tabular import ids2unique
        >>> ids2unique([(1, 10), (11, 0), (0, 1), (1, 10)])
        array([0, 1, 2, 0])
    """
    numbers: NDArray[np.int64] | None = None
    for name, column in _columns(ids).items():
        if missing := int(column.isna().sum()):
            raise DataError(
                f"ids must not be missing, got {missing} in column {name!r}; fill them in, or drop the rows"
            )
        codes = _codes(column)
        numbers = codes if numbers is None else _codes(pd.Series(numbers * (codes.max(initial=0) + 1) + codes))
    if numbers is None:
        raise ShapeError("ids must be rows of one id or more, (n, k), got none")
    return numbers


def _columns(ids: object) -> pd.DataFrame:
    if isinstance(ids, pd.DataFrame | Mapping) or getattr(getattr(ids, "dtype", None), "names", None):
        return as_frame(ids, "ids")
    array = ids if isinstance(ids, np.ndarray) else np.asarray(ids, dtype=object)
    if array.ndim != 2:
        raise ShapeError(f"ids must be rows of as many ids each, shape (n, k), got shape {array.shape}")
    return pd.DataFrame(array)
