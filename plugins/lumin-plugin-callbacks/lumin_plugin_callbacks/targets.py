"""Other columns of the fold file as targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lumin_core import Callback
from lumin_core.checks import as_list, check_names, did_you_mean
from lumin_core.data import check_finite, to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import BatchYielder, FitParams, FoldYielder


class TargReplace(Callback):
    """Replaces the targets of each fold by other columns of the fold file, side by side.

    In training and in validation, so that losses and metrics are those of the new targets. The file
    stays as it is. What computes weights from targets is listed after it; with `bootstrap_resample`
    the order does not matter.

    Args:
        targ_feats: Names of columns of the file, one for each output of the model (for multiclass
            one of classes, for a column of several values an event, several outputs).

    Raises:
        ConfigError: If no name is given, or when the training begins, if the file has
            no such column.
        ShapeError: If the columns are not as many as the model's outputs.
        DataError: If a fold lacks a column, or holds what cannot be a target.

    Example:
        >>> from lumin_plugin_callbacks import TargReplace
        >>> TargReplace("is_fake").targ_feats
        ['is_fake']
    """

    example_options: ClassVar[Mapping[str, object]] = {"targ_feats": "targets"}

    def __init__(self, targ_feats: str | Sequence[str]) -> None:
        self.targ_feats = as_list(targ_feats)
        check_names("targ_feats", self.targ_feats)
        if not self.targ_feats:
            raise ConfigError("targ_feats must name a column of the fold file, got none")

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse columns that the file does not have."""
        check_columns(fit_params.fy, self.targ_feats, "targ_replace")

    def on_fold_begin(self, fit_params: FitParams) -> None:
        """Replace the targets."""
        fit_params.by.targets = to_float32(current_columns(fit_params, self.targ_feats))


def targets_of(by: BatchYielder) -> np.ndarray:
    """Return the targets of a fold that is trained or validated.

    Args:
        by: The fold.

    Raises:
        DataError: If it has none.

    Example:
        >>> import numpy as np
        >>> from lumin_core import BatchYielder
        >>> from lumin_plugin_callbacks.targets import targets_of
        >>> by = BatchYielder(np.zeros((2, 3)), 2, "regression", targets=np.array([4.0, 5.0]))
        >>> targets_of(by)
        array([4., 5.])
    """
    if by.targets is None:
        raise DataError("a fold that is trained or validated must have targets, got one without; give its targets")
    return by.targets


def check_columns(fy: FoldYielder, columns: Sequence[str], place: str) -> None:
    """Refuse columns that a fold file does not have.

    Args:
        fy: The data.
        columns: Their names.
        place: What asks for them, for the message.

    Raises:
        ConfigError: With did-you-mean.
    """
    known = fy.columns()
    for name in columns:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"{place} needs the column {name!r}, which {fy.foldfile.name} does not have{hint}")


def current_columns(fit_params: FitParams, columns: Sequence[str]) -> np.ndarray:
    """Read columns of the file for the events of the current fold.

    They are as they are now: resampled, if they were.

    Args:
        fit_params: The state of the fit, in a fold.
        columns: Their names.

    Returns:
        The columns side by side, shape ``(n, *)``.

    Raises:
        DataError: See `fold_columns`.
        ShapeError: If the fold has not as many events any more as in the file.
    """
    fold = fit_params.trn_idx if fit_params.state == "train" else fit_params.val_idx
    values, events = fold_columns(fit_params.fy, columns, fold), fit_params.events
    values = values if events is None else values[events]
    if len(values) != fit_params.by.n_events:
        raise ShapeError(
            f"fold {fold} has {len(values)} events in the file and {fit_params.by.n_events} in training, so that "
            f"{', '.join(columns)} cannot be told for each; let the callback that takes events out put the indices of "
            "those that stay in fit_params.events"
        )
    return values


def fold_columns(fy: FoldYielder, columns: Sequence[str], fold: int | None) -> np.ndarray:
    """Read columns of a fold as they are stored.

    Args:
        fy: The data.
        columns: Their names.
        fold: Index of the fold.

    Returns:
        The columns side by side, shape ``(n, *)``.

    Raises:
        DataError: If the fold lacks a column, or has NaN, infinities or text in it.
    """
    values = [_read(fy, name, fold) for name in columns]
    return values[0] if len(values) == 1 else np.hstack([value.reshape(len(value), -1) for value in values])


def _read(fy: FoldYielder, column: str, fold: int | None) -> np.ndarray:
    values, where = fy.get_column(column, fold_idx=fold, add_newaxis=True), f"fold {fold}"
    if values is None:
        raise DataError(f"{where} lacks the column {column!r}, which other folds have; add it, or leave the fold out")
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where}: the column {column!r} must hold numbers, got {values.dtype}; encode it first")
    check_finite(values, [column] * values[:1].size, where)
    return values
