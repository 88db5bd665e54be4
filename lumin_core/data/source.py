"""What a fold file is made of: a data frame, tensors, or both, with one row an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pandas as pd

from lumin_core.checks import as_list, check_names
from lumin_core.data.entries import tensor_schema
from lumin_core.data.layout import check_column, flat_inputs
from lumin_core.data.matrix import pack
from lumin_core.data.numbers import as_numbers
from lumin_core.data.sparse import checked, is_sparse
from lumin_core.data.storable import storable
from lumin_core.data.tables import as_frame
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from lumin_core.data.schema import MatrixSchema, Schema
    from lumin_core.data.sparse import SparseArray
    from lumin_core.data.tables import Frame

    Tensor = np.ndarray | SparseArray


@attrs.frozen
class Source:
    """Where the columns of a fold file are taken from, see `df2foldfile`.

    Attributes:
        df: The data frame; one without columns where none was given.
        tensor_data: Inputs that are tensors.
        tensor_target: Targets that are tensors.

    Example:
        >>> from lumin_core.data.schema import Schema
        >>> from lumin_core.data.source import Source
        >>> source = Source.of({"pt": [30.0], "y": [1]}, None, None)
        >>> source.columns(Schema(cont_feats=["pt"], targ_feats=["y"]))["targets"]
        array([[1]])
    """

    df: pd.DataFrame
    tensor_data: Tensor | None
    tensor_target: Tensor | None

    @classmethod
    def of(
        cls,
        df: Frame | None,
        tensor_data: ArrayLike | SparseArray | None,
        tensor_target: ArrayLike | SparseArray | None,
    ) -> Source:
        """Take data that go together.

        Raises:
            ConfigError: If there is nothing to write.
            ShapeError: If lengths differ.
            DataError: If there is no event, or something is no data frame, or not of numbers.
        """
        frame = None if df is None else as_frame(df)
        data, target = _as_tensor(tensor_data, "tensor_data"), _as_tensor(tensor_target, "tensor_target")
        given = {"df": frame, "tensor_data": data, "tensor_target": target}
        lengths = {name: value.shape[0] for name, value in given.items() if value is not None and len(value.shape)}
        if df is None and len(lengths) < 2:
            raise ConfigError("without a data frame both tensor_data and tensor_target are needed; pass df, or both")
        if len(set(lengths.values())) > 1:
            raise ShapeError(f"data must have the same number of events, got {lengths}")
        n = next(iter(lengths.values()))
        if n == 0:
            raise DataError("there is no event: the data frame is empty; check the selection that made it")
        return cls(pd.DataFrame(index=range(n)) if frame is None else frame, data, target)

    @property
    def names(self) -> list[str]:
        """The columns whose name is text."""
        columns: Sequence[object] = self.df.columns.tolist()
        return [name for name in columns if isinstance(name, str)]

    def column(self, name: str, what: str, truth: Sequence[str] = ()) -> pd.Series:
        """Return a column of the data frame.

        Args:
            name: Its name.
            what: The argument that asks for it, for the message.
            truth: Of inputs, the columns that cannot be meant.

        Raises:
            ConfigError: If there is no data frame.
            DataError: If it does not have that column, or has it twice.
        """
        check_column(name, list(self.df.columns), what, truth)
        return self.df[name]

    def key(self, name: str | None, what: str) -> np.ndarray | None:
        """Return what events are sorted by, if anything; arguments and errors as of `column`."""
        return None if name is None else self.column(name, what).to_numpy()

    def numbers(self, names: Sequence[str], what: str) -> np.ndarray:
        """Return columns of the data frame as numbers, shape ``(n, n_columns)``."""
        columns = [as_numbers(self.column(name, what), f"{what}: column {name!r}") for name in names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.df), 0), dtype=np.float32)

    def tensor(self, name: str | None, *, is_sparse: bool, beside: object = None) -> MatrixSchema | None:
        """Say what the tensor of inputs is, ``None`` where there is none.

        Args:
            name: Of the tensor.
            is_sparse: Whether it is stored as COO.
            beside: What asks for a matrix from columns, if anything does.

        Raises:
            ConfigError: If something is said of one that is not given, or there are two matrices.
        """
        if self.tensor_data is None:
            if name is not None or is_sparse:
                raise ConfigError("tensor_name and tensor_as_sparse are for tensor_data, which is not given")
            return None
        if beside is not None:
            raise ConfigError(
                "a matrix from columns and tensor_data are both given, and a fold holds one; leave one out"
            )
        return tensor_schema(name or "tensor", self.tensor_data.shape[1:], is_sparse=is_sparse)

    def target_tensor(self, *, is_sparse: bool) -> dict[str, object] | None:
        """Say what the tensor of targets is, ``None`` where there is none.

        Raises:
            ConfigError: If something is said of one that is not given.
        """
        if self.tensor_target is not None:
            return {"shape": self.tensor_target.shape[1:], "is_sparse": is_sparse}
        if is_sparse:
            raise ConfigError("tensor_target_as_sparse is for tensor_target, which is not given")
        return None

    def columns(self, schema: Schema) -> dict[str, Any]:
        """Take what a fold file holds, less its further columns, as `Layout.check` takes it.

        Args:
            schema: What the file has.

        Raises:
            ConfigError: If there is no data frame to take a column from.
            DataError: If columns are missing, or do not hold numbers.
        """
        for part, feats in (("cont_feats", schema.cont_feats), ("cat_feats", schema.cat_feats)):
            for feat in feats:
                self.column(feat, part, [*schema.targ_feats, *as_list(schema.wgt_feat)])
        columns: dict[str, Any] = {"inputs": flat_inputs(self.df, schema), "targets": self.tensor_target}
        if self.tensor_target is None:
            columns["targets"] = self.numbers(schema.targ_feats, "targ_feats")
        if schema.wgt_feat is not None:
            columns["weights"] = self.numbers([schema.wgt_feat], "wgt_feat")
        if schema.matrix is not None:
            columns["matrix_inputs"] = self._matrix(schema.matrix) if self.tensor_data is None else self.tensor_data
        return columns

    def further(self, names: str | Sequence[str] | None) -> dict[str, np.ndarray]:
        """Take further columns, whose dtype is kept; errors as of `columns`."""
        further: list[str] = as_list(names)
        check_names("misc_feats", further)
        return {name: storable(self.column(name, "misc_feats"), name) for name in further}

    def _matrix(self, matrix: MatrixSchema) -> np.ndarray:
        """Pack a matrix from columns."""
        values = self.numbers(matrix.present_feats, "matrix")
        return pack(values, np.array(matrix.missing, dtype=bool), matrix.shape)


def _as_tensor(values: ArrayLike | SparseArray | None, what: str) -> Tensor | None:
    """Return a tensor as an array of numbers, dense or sparse, or nothing."""
    if values is None:
        return None
    return checked(values) if is_sparse(values) else as_numbers(values, what)
