"""The columns of events that figures are made of, wherever they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lumin_core import FoldYielder
from lumin_core.checks import as_list, check_names, did_you_mean
from lumin_core.data import as_frame, as_numbers, unmasked
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_plots.settings import PlotSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

Data: TypeAlias = "pd.DataFrame | Mapping[str, ArrayLike] | FoldYielder"
"""Columns by name: a data frame, a mapping of arrays, or a fold file."""
Mask: TypeAlias = "str | ArrayLike | None"
"""Which events are taken: a column of Booleans by name, or an array."""
PredName: TypeAlias = "str | Sequence[str] | Mapping[str, str | Sequence[str]]"
"""A column of predictions; a list of columns, those of several models, whose mean and spread are
shown; or one or the other by label, to compare classifiers."""


def classifiers(pred_name: PredName) -> dict[str, list[str]]:
    """Return the columns of predictions of each classifier, by its label.

    Args:
        pred_name: A column, whose name is the label; a list of columns, one per model; or either by
            label.

    Raises:
        ConfigError: If there are none, or names are no text or come twice.

    Example:
        >>> from lumin_plugin_plots.events import classifiers
        >>> classifiers("pred"), classifiers({"BDT": "bdt", "network": ["net_a", "net_b"]})
        ({'pred': ['pred']}, {'BDT': ['bdt'], 'network': ['net_a', 'net_b']})
        >>> classifiers(["net_a", "net_b"])
        {'2 models': ['net_a', 'net_b']}
    """
    if isinstance(pred_name, Mapping):
        found = {str(label): as_list(columns) for label, columns in pred_name.items()}
    else:
        columns = as_list(pred_name)
        found = {str(columns[0]) if len(columns) == 1 else f"{len(columns)} models": columns}
    if not found or not all(found.values()):
        raise ConfigError(f"pred_name must name a column of predictions, got {pred_name!r}; the usual one is 'pred'")
    for columns in found.values():
        check_names("pred_name", columns)
    return found


def class_label(number: int) -> str:
    """Return what a class is called in the numbers of a figure; `PlotSettings.names` may name it.

    Args:
        number: Of the class, from 0 on.

    Example:
        >>> from lumin_plugin_plots.events import class_label
        >>> class_label(2)
        'class 2'
    """
    return f"class {number}"


class Events:
    """Events with columns by name, all of one length.

    Args:
        data: A data frame, a mapping of arrays, or a fold file, whose columns have the names that
            `FoldYielder.get_df` gives them, in the units of before the preprocessing.
        mask: Which events are taken: the name of a column of Booleans, or an array, shape ``(n,)``.

    Raises:
        DataError: If data are anything else, or the mask holds no Booleans or leaves no event.
        ShapeError: If columns are not of one length.

    Example:
        >>> from lumin_plugin_plots.events import Events
        >>> events = Events({"pred": [0.2, 0.9], "gen_target": [0, 1]}, mask=[True, False])
        >>> events.numbers("pred"), events.weights()
        (array([0.2]), array([1.]))
    """

    def __init__(self, data: Data, mask: Mask = None) -> None:
        self._fy = data if isinstance(data, FoldYielder) else None
        self._df = as_frame(data, "data") if self._fy is None else _frame_of(self._fy)
        self._mask: np.ndarray | None = None
        if mask is not None:
            self._mask = self.flags(mask)
        if not len(self):
            raise DataError(f"no event is left of {len(self._df)}; loosen the mask, or give data that have events")

    def __len__(self) -> int:
        """Return the number of events that are taken."""
        return len(self._df) if self._mask is None else int(self._mask.sum())

    @property
    def names(self) -> list[str]:
        """All columns."""
        return [str(name) for name in self._df.columns]

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a column."""
        return name in self._df.columns or (self._fy is not None and name in self._fy.columns())

    def settings(self, given: PlotSettings | None) -> PlotSettings | None:
        """Return how a figure of them looks: as it is given, else with the units of their file."""
        return PlotSettings.of(self._fy) if given is None and self._fy is not None else given

    def numbers(self, name: str, *, finite: bool = False) -> np.ndarray:
        """Return a column of numbers as float64, shape ``(n,)``; what is missing is NaN.

        Args:
            name: The column.
            finite: Whether NaN and infinities are refused.

        Raises:
            DataError: If it is missing, holds no numbers, or must be finite and is not.
        """
        values: np.ndarray = as_numbers(self._column(name), f"the column {name!r}").astype(np.float64)
        if values.ndim != 1:
            raise ShapeError(f"{name!r} must have one value an event, got shape {values.shape}")
        n_bad = int((~np.isfinite(values)).sum()) if finite else 0
        if n_bad:
            raise DataError(
                f"the column {name!r} must be finite, got {n_bad} NaN or infinite of {len(values)}; leave them out "
                "with mask="
            )
        return values

    def labels(self, name: str) -> np.ndarray:
        """Return a column of anything, such as names of samples, shape ``(n,)``.

        Raises:
            DataError: If it is missing.
        """
        return np.asarray(unmasked(self._column(name), f"the column {name!r}"))

    def scores(self, name: str = "pred") -> np.ndarray:
        """Return class predictions, shape ``(n, K)``: a column, or ``<name>_0``, ``<name>_1``, ...

        Raises:
            DataError: If there are none, or they are not finite.
        """
        return np.stack([self.numbers(column, finite=True) for column in self._numbered(name)], axis=1)

    def targets(self, name: str = "gen_target") -> np.ndarray:
        """Return the truth, finite, shape ``(n,)``.

        Raises:
            DataError: If it is missing, or not finite.
        """
        return self.numbers(name, finite=True)

    def is_signal(self, name: str = "gen_target") -> np.ndarray:
        """Return which events are signal, by a column of the truth, 0 or 1, shape ``(n,)``.

        Raises:
            DataError: If there are other values.
        """
        targets = self.targets(name)
        others = np.setdiff1d(targets, (0, 1))[:5].tolist()
        if others:
            raise DataError(
                f"{name!r} must be 0 (background) or 1 (signal), got {others} too; of several classes say which one is "
                f"the signal: df.assign(is_signal=df[{name!r}] == {others[0]:g}), with targ_name='is_signal'"
            )
        signal: np.ndarray = targets == 1
        return signal

    def classes(self, n_classes: int, name: str = "gen_target") -> np.ndarray:
        """Return the numbers of classes, by a column of the truth, shape ``(n,)``, integers.

        Args:
            n_classes: How many there are.
            name: The column.

        Raises:
            DataError: If there are others than whole numbers from 0 to ``n_classes - 1``.
        """
        targets = self.targets(name)
        others = np.setdiff1d(targets, range(n_classes))[:5].tolist()
        if others:
            raise DataError(
                f"{name!r} must be numbers of classes from 0 to {n_classes - 1}, as many as there are columns of "
                f"predictions, got {others} too"
            )
        return targets.astype(int)

    def weights(self, name: str | None = "gen_weight") -> np.ndarray:
        """Return event weights of either sign, shape ``(n,)``.

        Args:
            name: The column; ``None``, or the usual name where there is no such column, gives one
                for each event.

        Raises:
            DataError: If the column is missing, or not finite.
        """
        if name is None or (name == "gen_weight" and name not in self):
            return np.ones(len(self))
        return self.numbers(name, finite=True)

    def flags(self, mask: str | ArrayLike) -> np.ndarray:
        """Return which events pass a cut, shape ``(n,)``.

        Args:
            mask: The name of a column of Booleans, or an array, shape ``(n,)``.

        Raises:
            DataError: If the column is missing, or they are no Booleans.
            ShapeError: If the array has another shape.
        """
        what = f"the column {mask!r}" if isinstance(mask, str) else "mask"
        values: np.ndarray = np.asarray(self._column(mask) if isinstance(mask, str) else unmasked(mask, what))
        if values.shape != (len(self),):
            raise ShapeError(f"{what} must have one value an event, shape ({len(self)},), got shape {values.shape}")
        if values.dtype != bool and not np.isin(values, (0, 1)).all():
            raise DataError(f"{what} must hold Booleans, got {values.dtype}; give a comparison, such as df.pt > 30")
        return values.astype(bool)

    def only(self, mask: str | ArrayLike) -> Events:
        """Return those of the events that pass a cut.

        Args:
            mask: The name of a column of Booleans, or an array, shape ``(n,)``.

        Raises:
            DataError: If no event is left, or as of `flags`.
            ShapeError: If the array has another shape.
        """
        part = copy(self)
        part._mask = np.ones(len(self._df), dtype=bool) if self._mask is None else self._mask.copy()
        part._mask[part._mask] = self.flags(mask)
        if not len(part):
            raise DataError(f"no event is left of {len(self)}; loosen the cut, or give data that have events")
        return part

    def _numbered(self, name: str) -> list[str]:
        if name in self:
            return [name]
        found = [
            (int(match[1]), each) for each in self.names if (match := re.fullmatch(rf"{re.escape(name)}_(\d+)", each))
        ]
        if not found:
            self._column(name)
        return [each for _, each in sorted(found)]

    def _column(self, name: str) -> Any:
        if name in self._df.columns:
            values = self._df[name]
            return values if self._mask is None else values[self._mask]
        if self._fy is not None and name in self._fy.columns():
            stored = np.asarray(self._fy.get_column(name))
            return stored if self._mask is None else stored[self._mask]
        raise DataError(f"there is no column {name!r}{did_you_mean(name, self.names)}")


def _frame_of(fy: FoldYielder) -> pd.DataFrame:
    is_processed = any(fy.get_pipes(part) for part in ("inputs", "targets", "matrix"))
    return fy.get_df(inc_inputs=True, inc_misc=True, deprocess=is_processed, verbose=False, suppress_warn=True)
