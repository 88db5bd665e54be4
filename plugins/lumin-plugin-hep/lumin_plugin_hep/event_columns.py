"""What scans and binnings ask of the columns of a data frame.

They are there, numbers, finite; signal and background are told apart. Columns come from a data
frame, from any mapping of names to arrays of one length, or from an array of records. The frame's
index does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from lumin_core.checks import did_you_mean
from lumin_core.data import as_frame, as_numbers, unmasked
from lumin_core.errors import DataError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Columns: TypeAlias = "pd.DataFrame | Mapping[str, ArrayLike] | np.ndarray"
"""Columns by name: a data frame, a mapping, or an array of records."""


class BinaryEvents(NamedTuple):
    """Events of signal and background, those of weight zero left out.

    Attributes:
        scores: Class predictions, shape ``(n,)``, of the type they came in.
        signal: Whether an event is signal, shape ``(n,)``.
        weights: Event weights of either sign, shape ``(n,)``, as doubles.

    Example:
        See `binary_events`.
    """

    scores: NDArray[Any]
    signal: NDArray[np.bool_]
    weights: NDArray[np.float64]


def binary_events(df: Columns, pred_name: str, targ_name: str, wgt_name: str) -> BinaryEvents:
    """Take the events of signal and background.

    Args:
        df: A data frame, or a mapping of names to arrays.
        pred_name: The column of class predictions.
        targ_name: The column of the truth, 0 (background) or 1 (signal).
        wgt_name: The column of event weights.

    Raises:
        DataError: If a column is missing, holds no numbers or NaN, if targets are not 0 or 1, or
            there are no events.
        ShapeError: If columns are not of one length.

    Example:
        >>> from lumin_plugin_hep.event_columns import binary_events
        >>> df = {"pred": [0.2, 0.9, 0.4], "gen_target": [0, 1, 1], "gen_weight": [1, 2, 0]}
        >>> scores, signal, weights = binary_events(df, "pred", "gen_target", "gen_weight")
        >>> scores, signal, weights
        (array([0.2, 0.9]), array([False,  True]), array([1., 2.]))
    """
    df = named(df)
    scores, signal = column(df, pred_name), is_signal(df, targ_name)
    weights = column(df, wgt_name).astype(np.float64)
    if not len(scores) == len(signal) == len(weights):
        raise ShapeError(
            f"columns must have one length, got {len(scores)} of {pred_name!r}, {len(signal)} of {targ_name!r} and "
            f"{len(weights)} of {wgt_name!r}"
        )
    used = weights != 0
    if not used.any():
        raise DataError(f"at least one event of non-zero weight is needed, got none of {len(scores)}")
    if used.all():
        return BinaryEvents(scores, signal, weights)
    return BinaryEvents(scores[used], signal[used], weights[used])


def is_signal(df: pd.DataFrame | Mapping[str, ArrayLike], name: str) -> NDArray[np.bool_]:
    """Tell which events are signal, by a column of the truth, 0 (background) or 1 (signal).

    Raises:
        DataError: If it holds anything else; and as `column`.
        ShapeError: As `column`.

    Example:
        >>> from lumin_plugin_hep.event_columns import is_signal
        >>> is_signal({"gen_target": [0, 1]}, "gen_target")
        array([False,  True])
    """
    targets = column(df, name)
    signal: NDArray[np.bool_] = targets == 1
    if not (signal | (targets == 0)).all():
        others = np.setdiff1d(targets, (0, 1))[:5].tolist()
        raise DataError(
            f"{name!r} must be 0 (background) or 1 (signal), got {others} too; of several classes say "
            f"which is the signal: df.assign(is_signal=df[{name!r}] == {others[0]:g}), with targ_name='is_signal'"
        )
    return signal


def named(df: Columns) -> pd.DataFrame | Mapping[str, ArrayLike]:
    """Return columns by name as they came, those of an array of records as a frame.

    Raises:
        DataError: If it is anything else, such as a frame of another library, with the line that
            converts it.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.event_columns import named
        >>> named(np.array([(0.5, 1)], dtype=[("pred", "f8"), ("gen_target", "i8")]))
           pred  gen_target
        0   0.5           1
    """
    return df if isinstance(df, pd.DataFrame | Mapping) else as_frame(df)


def column(df: pd.DataFrame | Mapping[str, ArrayLike], name: str) -> NDArray[Any]:
    """Take a column of finite numbers.

    Args:
        df: A data frame, or a mapping of names to arrays.
        name: The column.

    Returns:
        Shape ``(n,)``.

    Raises:
        DataError: If it is missing, or holds no numbers, NaN (masked, NA) or infinities.
        ShapeError: If it is no single column.

    Example:
        >>> from lumin_plugin_hep.event_columns import column
        >>> column({"gen_weight": [1.0, 2.0]}, "gen_weigth")
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: there is no column 'gen_weigth'; did you mean 'gen_weight'?
    """
    values = _single(as_numbers(_of(df, name), f"the column {name!r}"), name)
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise DataError(
            f"the column {name!r} must be finite, got {n_bad} NaN or infinite of {len(values)}; select before the call"
        )
    return values


def any_column(df: pd.DataFrame | Mapping[str, ArrayLike], name: str) -> NDArray[Any]:
    """Take a column of anything, such as names of samples; as `column`.

    What is masked is ``None``, among numbers NaN.

    Example:
        >>> from lumin_plugin_hep.event_columns import any_column
        >>> any_column({"gen_sample": ["ttbar", "higgs"]}, "gen_sample").tolist()
        ['ttbar', 'higgs']
    """
    return _single(unmasked(_of(df, name), f"the column {name!r}"), name)


def _of(df: pd.DataFrame | Mapping[str, ArrayLike], name: str) -> ArrayLike:
    if name not in df:
        raise DataError(f"there is no column {name!r}{did_you_mean(name, df.keys())}")
    return df[name]


def _single(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.ndim != 1:
        raise ShapeError(f"{name!r} must be one column, (n,), got shape {values.shape}")
    return values
