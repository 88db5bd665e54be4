"""Predictions: gathered, and written into a copy of the file that takes its place."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from lumin_core.checks import check_flags, listed
from lumin_core.data.check_sums import PREDICTED, check_sum, is_prediction, write_identity, write_sum
from lumin_core.data.hdf5 import replacing, save_to_grp
from lumin_core.data.values import check_column_name, to_float32
from lumin_core.errors import ConfigError, FoldFileError, ShapeError, option
from lumin_core.files import refuse_existing
from lumin_core.locks import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    import h5py
    import numpy as np
    from numpy.typing import ArrayLike

    from lumin_core.data.fold_reader import FoldReader

    Gathered = dict[str, dict[int, np.ndarray]]
    """Values by column and fold."""


class Predictions:
    """The predictions that are on their way into a fold file.

    Args:
        reader: Of the file.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core.data import FoldFileWriter, FoldReader
        >>> from lumin_core.data.predictions import Predictions
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> reader = FoldReader(path)
        >>> Predictions(reader).save([0.2, 0.8], 0, "pred")
        >>> reader.read("pred", 0)
        array([0.2, 0.8], dtype=float32)
    """

    def __init__(self, reader: FoldReader) -> None:
        self._reader = reader
        self._mine = _Mine()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Gather what is saved inside the block, and write it at the end; see the yielder's.

        What other threads save is not gathered with it: they are other writers.
        """
        if self._mine.gathered is not None:  # inside another block, which writes
            yield
            return
        path = self._reader.path
        refuse_existing(path, overwrite=True, error=FoldFileError)
        with locked(path, FoldFileError):
            self._mine.gathered = {}
            try:
                yield
                self._write(self._mine.gathered)
            finally:
                self._mine.gathered = None

    def _write(self, gathered: Gathered) -> None:
        if not gathered:
            return
        self._reader.open()  # refuses a file that was replaced by another meanwhile
        with replacing(self._reader.path) as file:
            for name, folds in gathered.items():
                for idx, values in folds.items():
                    _write_column(file[f"fold_{idx}"], name, values)
            if not set(gathered).isdisjoint(self._reader.schema.misc_feats):  # data were given up
                write_identity(file, self._reader.schema)
            self._reader.close()  # Windows renames over no open file
        self._reader.written(gathered)

    def check_name(self, name: str, *, overwrite: bool = False) -> None:
        """Refuse a name under which predictions cannot be saved.

        Args:
            name: Of the column.
            overwrite: Whether a column may be replaced that no prediction wrote.

        Raises:
            ConfigError: If there is such a column, or it cannot be one, or `overwrite` is neither
                true nor false.
        """
        check_flags(overwrite=overwrite)
        check_column_name(name)
        if not overwrite and (folds := self._reader.folds_with_data(name)):
            raise ConfigError(
                f"the column name {name!r} is taken in {self._reader.path.name} by what no prediction of ours wrote "
                f"(folds {listed(folds)}); choose another pred_name, or replace it for good with {option('overwrite')}"
            )

    def save(self, pred: ArrayLike, fold_idx: int, pred_name: str, *, overwrite: bool = False) -> None:
        """Save the predictions of a fold; see `FoldYielder.save_fold_pred`, which this does."""
        idx = self._reader.fold_number(fold_idx)
        if pred_name not in (self._mine.gathered or {}):  # not for every fold again
            self.check_name(pred_name, overwrite=overwrite)
        values, n = to_float32(pred, f"predictions of fold {idx}"), self._reader.sizes[idx]
        if values.ndim == 0 or len(values) != n:
            raise ShapeError(f"predictions of fold {idx} must have {n} rows, got shape {values.shape}")
        with self.writing():
            if self._mine.gathered is not None:
                self._mine.gathered.setdefault(pred_name, {})[idx] = values.copy()

    def __reduce__(self) -> tuple[type[Predictions], tuple[FoldReader]]:
        """Pickle without what was gathered, which stays here."""
        return Predictions, (self._reader,)


class Predicting:
    """What a `FoldYielder` does with predictions of its file."""

    _predictions: Predictions

    @contextlib.contextmanager
    def writing(self) -> Iterator[Self]:
        """Gather the predictions saved inside the block, and write them together at its end.

        No other writer is let in meanwhile. If the block raises, the file stays as it was.

        Raises:
            FoldFileError: If another writer is at work, or the file is read-only.

        Example:
            >>> import numpy as np, tempfile
            >>> from lumin_core import FoldFileWriter, FoldYielder
            >>> path = tempfile.mkdtemp() + "/train.hdf5"
            >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
            ...     for i in range(2):
            ...         file.append(i, inputs=np.ones((3, 1)), targets=np.ones(3))
            >>> with FoldYielder(path) as fy, fy.writing():
            ...     for i in range(2):
            ...         fy.save_fold_pred(np.full(3, i), i)
            >>> FoldYielder(path).get_column("pred").tolist()
            [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
        """
        with self._predictions.writing():
            yield self

    def check_pred_name(self, pred_name: str, *, overwrite: bool = False) -> None:
        """Refuse a name that `save_fold_pred` would refuse, before the predictions are made.

        Args:
            pred_name: Of the column.
            overwrite: Whether a column of that name may be replaced that no prediction wrote.

        Raises:
            ConfigError: If there is such a column, or the name is that of data.
        """
        self._predictions.check_name(pred_name, overwrite=overwrite)

    def save_fold_pred(
        self, pred: ArrayLike, fold_idx: int, pred_name: str = "pred", *, overwrite: bool = False
    ) -> None:
        """Save the predictions of a fold as a column of the file, replacing those of the same name.

        Saving one fold copies the whole file: put several into a ``with fy.writing():`` block.
        The column is marked as a prediction; what is not is replaced only on demand.

        Args:
            pred: Shape ``(n,)`` or ``(n, ...)``, in the order of the events; stored as float32.
            fold_idx: Of the fold.
            pred_name: Of the column.
            overwrite: Whether a column of that name may be replaced that no prediction wrote, such
                as a further column, or one of another program. Inputs, targets, weights and
                matrix inputs never are.

        Raises:
            ShapeError: If there is not one row for each event of the fold.
            ConfigError: If the name is that of data, or there is no such fold.
            FoldFileError: If another writer is at work, or the file is read-only.
        """
        self._predictions.save(pred, fold_idx, pred_name, overwrite=overwrite)


class _Mine(threading.local):
    """What a thread has gathered; ``None`` outside of its blocks."""

    gathered: Gathered | None = None


def _write_column(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """Write into the place of predictions of the same shape, so that the file does not grow."""
    if name in group:
        dataset = group[name]
        if is_prediction(dataset) and dataset.shape == values.shape and dataset.dtype == values.dtype:
            dataset[...] = values
            write_sum(dataset, check_sum(values))
            return
        del group[name]
    save_to_grp(values, group, name)
    group[name].attrs[PREDICTED] = True
