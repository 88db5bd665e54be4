"""What is known of the columns of a fold file, and any column of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from lumin_core.arguments import explained
from lumin_core.checks import as_list, check_flags, did_you_mean
from lumin_core.data.entries import matrix_to_entry
from lumin_core.data.file_rows import fold_rows
from lumin_core.data.folds import joined
from lumin_core.data.frame_output import Wanted, to_frame
from lumin_core.data.pipelines import Pipelines
from lumin_core.data.values import nan_to_zero
from lumin_core.display import Displayed, counted
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import pandas as pd

    from lumin_core.data.fold_reader import FoldReader
    from lumin_core.data.folds import FoldData
    from lumin_core.data.schema import Schema
    from lumin_core.data.transforms import Steps
    from lumin_core.display import Row

_log = logging.getLogger(__name__)
_USUAL = ("pred", "targets", "weights")  # which get_df looks for unasked


class FoldColumns(Pipelines, Displayed):
    """Names, columns and preprocessing of a fold file: what a `FoldYielder` has beside its folds.

    Args:
        reader: Of the file.
        ignore_feats: Inputs to leave out.
        pipes: Transforms that inputs, targets and matrix went through, by part; see `FoldYielder`.
        yield_matrix: Whether the matrix is part of the inputs.

    Attributes:
        foldfile: Path of the file.
        n_folds: Number of folds.
        fld_szs: Number of events by fold.
        has_matrix: Whether the file has matrix inputs.

    Example:
        See `FoldYielder`, which is one.
    """

    def __init__(
        self,
        reader: FoldReader,
        ignore_feats: str | Sequence[str] | None = None,
        pipes: Iterable[Steps | None] = (),
        *,
        yield_matrix: bool = True,
    ) -> None:
        super().__init__(reader, pipes)
        self.foldfile = reader.path
        self.fld_szs = reader.sizes
        self.n_folds = len(reader.sizes)
        self.has_matrix = "matrix_inputs" in reader.columns
        self.yield_matrix = yield_matrix
        self._ignored: list[str] = []
        self.add_ignore(ignore_feats or [])

    def _title(self) -> str:
        return f"{type(self).__name__} of {self.foldfile.name}"

    def _rows(self) -> Iterator[Row]:
        yield "file", str(self.foldfile)
        yield from fold_rows(self.schema, self.fld_szs.values(), self._reader.known_columns)
        if self._ignored:
            yield "ignored", counted(self._ignored)

    # What is in the file

    @property
    def file_schema(self) -> Schema:
        """What the file has, ignored features and an unused matrix too."""
        return self._reader.schema

    @property
    def schema(self) -> Schema:
        """What is yielded: without ignored features, and without a matrix that is not yielded."""
        return self.file_schema.without(self._ignored, matrix=self.yield_matrix)

    @property
    def cont_feats(self) -> list[str]:
        """Continuous features, less the ignored ones."""
        return self.schema.cont_feats

    @property
    def cat_feats(self) -> list[str]:
        """Categorical features, less the ignored ones."""
        return self.schema.cat_feats

    @property
    def input_feats(self) -> list[str]:
        """All stored inputs in the order of the columns, ignored ones too."""
        return self.file_schema.input_feats

    @property
    def targ_feats(self) -> list[str]:
        """Targets, always a list."""
        return list(self.file_schema.targ_feats)

    @property
    def wgt_feat(self) -> str | None:
        """Name of the weight, or ``None``."""
        return self.file_schema.wgt_feat

    @property
    def cat_maps(self) -> dict[str, dict[int, object]]:
        """What the codes of categorical features mean."""
        return self.file_schema.cat_maps

    @property
    def units(self) -> dict[str, str]:
        """Units of columns by their names, such as ``{"jet_pt": "GeV"}``; empty for none."""
        return self.file_schema.units

    @property
    def matrix_feats(self) -> dict[str, Any] | None:
        """What the matrix holds, with LUMIN's keys, or ``None``; see `matrix_entry`."""
        matrix = self.file_schema.matrix
        return None if matrix is None else matrix_to_entry(matrix)

    @property
    def object_axis(self) -> int | None:
        """The axis of a batch's matrix along which its objects are; ``None`` without a matrix."""
        return None if self.file_schema.matrix is None else self.file_schema.matrix.object_axis

    @property
    def identity(self) -> str:
        """What tells the data from others: 64 hexadecimal digits.

        Copies of a file have one, at any place, compressed or not, whatever is predicted of them.
        Another has who differs in feature names, or in any value of inputs, targets, weights,
        matrix or further columns, or in its folds. A file that was written without check
        sums, by LUMIN say, is read once for it.
        """
        return self._reader.identity

    def verify(self) -> list[str]:
        """Compare every check sum of the file with the values that it is of; all is read.

        Returns:
            Names of the datasets that have none: empty for files of ours, all for LUMIN's.

        Raises:
            FoldFileError: Naming the first dataset that is not as it was written.
        """
        return [name for name, has_sum in self._reader.verified() if not has_sum]

    def columns(self) -> list[str]:
        """Return the columns of the file: inputs, targets, weights, misc, predictions."""
        return self._reader.columns

    def get_data_count(self, idxs: int | Iterable[int] | None = None) -> int:
        """Count events.

        Args:
            idxs: Fold or folds; by default all.

        Returns:
            Their number of events together.
        """
        numbers = range(self.n_folds) if idxs is None else as_list(idxs)
        return sum(self.fld_szs[self._reader.fold_number(i)] for i in numbers)

    def get_column(
        self, column: str, n_folds: int | None = None, fold_idx: int | None = None, add_newaxis: bool = False
    ) -> np.ndarray | None:
        """Return any column as it is stored, sparse data as dense, text as `str`.

        Args:
            column: Name, one of `columns`.
            n_folds: The first ``n_folds`` folds; by default all.
            fold_idx: One fold alone.
            add_newaxis: Whether shape ``(n,)`` becomes ``(n, 1)``.

        Returns:
            Shape ``(n, ...)``, or ``None`` where the file has no such column.

        Raises:
            ConfigError: If both are given, or there are no such folds.
            DataError: If some of these folds lack the column.
        """
        return self._reader.read_column(column, n_folds, fold_idx, add_newaxis=add_newaxis)

    def get_data(self, n_folds: int | None = None, fold_idx: int | None = None) -> FoldData:
        """Return flat inputs, targets and weights of one or several folds.

        Ignored features are there too; NaN in inputs is given as 0.

        Args:
            n_folds: The first ``n_folds`` folds; by default all.
            fold_idx: One fold alone.

        Returns:
            ``{"inputs": (n, n_cont + n_cat), "targets": (n, n_targ), "weights": (n, 1) or None}``.

        Raises:
            ConfigError: If both are given, or there are no such folds.
            DataError: As for `FoldYielder.get_fold`.
        """
        idxs = self._reader.fold_range(n_folds, fold_idx)
        targets: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        n = self.get_data_count(idxs)

        def inputs() -> Iterator[np.ndarray]:  # by far the largest: no two copies of them are held
            for fold in map(self._reader.read_fold, idxs):
                targets.append(fold["targets"])
                weights.extend(() if fold["weights"] is None else [fold["weights"]])
                yield cast("np.ndarray", fold["inputs"])

        return {
            "inputs": nan_to_zero(joined(inputs(), n, "inputs")),
            "targets": joined(targets, n, "targets"),
            "weights": joined(weights, n, "weights") if weights else None,
        }

    @explained
    def get_df(
        self,
        pred_name: str = "pred",
        targ_name: str = "targets",
        wgt_name: str = "weights",
        n_folds: int | None = None,
        fold_idx: int | None = None,
        inc_inputs: bool = False,
        inc_ignore: bool = False,
        deprocess: bool = False,
        verbose: bool = True,
        suppress_warn: bool = False,
        nan_to_num: bool = False,
        inc_matrix: bool = False,
        *,
        inc_misc: bool = False,
    ) -> pd.DataFrame:
        """Return a data frame with LUMIN's column names: targets, weights, predictions, and others.

        Args:
            pred_name: Column of the predictions.
            targ_name: Column of the targets.
            wgt_name: Column of the weights.
            n_folds: The first ``n_folds`` folds; by default all.
            fold_idx: One fold alone.
            inc_inputs: Whether to include inputs.
            inc_ignore: Whether to include ignored inputs.
            deprocess: Whether to undo the transforms of inputs, matrix, targets and predictions.
            verbose: Whether to log the number of events.
            suppress_warn: Whether not to log that a column is missing.
            nan_to_num: Whether NaN in inputs become 0.
            inc_matrix: Whether to include the flattened matrix among the inputs.
            inc_misc: Whether to include further columns, such as event numbers, that no prediction
                wrote.

        Returns:
            Columns: inputs by name; ``gen_target``, ``gen_weight``, ``pred``, each with ``_0``,
            ``_1``, ... where there are several values an event; further columns likewise. An input
            of one of these names is called ``input_pred``, a further column ``misc_pred``.

        Raises:
            ConfigError: If there is nothing to undo, or there are no such folds.
            ShapeError: If a pipeline does not fit the data.
        """
        check_flags(inc_misc=inc_misc)
        ignored = [] if inc_ignore else self._ignored
        wanted = Wanted(n_folds, fold_idx, inc_inputs, inc_matrix, nan_to_num, ignored, inc_misc)
        named = {"gen_target": targ_name, "gen_weight": wgt_name, "pred": pred_name}
        df, lacking = to_frame(self._reader, named, wanted, self if deprocess else None)
        for column in [] if suppress_warn else lacking:
            level = logging.INFO if column in _USUAL else logging.WARNING
            _log.log(level, "%s has no column %r", self.foldfile.name, column)
        if verbose:
            _log.info("%d events loaded from %s", len(df), self.foldfile.name)
        return df

    # Ignored features

    def add_ignore(self, feats: str | Sequence[str]) -> None:
        """Leave out further inputs.

        Args:
            feats: Names of inputs.

        Raises:
            ConfigError: If there is no such input.
        """
        for feat in as_list(feats):
            if feat not in self.input_feats:
                hint = did_you_mean(feat, self.input_feats)
                raise ConfigError(f"{feat!r} cannot be ignored, it is no input of {self.foldfile.name}{hint}")
            if feat not in self._ignored:
                self._ignored.append(feat)

    def get_ignore(self) -> list[str]:
        """Return the ignored inputs."""
        return list(self._ignored)

    def get_use_cont_feats(self) -> list[str]:
        """Return the continuous features that folds hold, less the ignored ones."""
        return self.cont_feats

    def get_use_cat_feats(self) -> list[str]:
        """Return the categorical features that folds hold, less the ignored ones."""
        return self.cat_feats
