"""TODO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from lumin_core.checks import check_keys
from lumin_core.data import transforms
from lumin_core.data.values import to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model.builder import ModelBuilder
    from lumin_core.model.record import ModelRecord


class InputReader:
    """Turns inputs into what a `BatchYielder` takes.

    That is float32, missing values 0, columns as in training.

    Args:
        builder: The model's builder, for the features.
        record: What is known of the training data, for ``raw``.
        pipes: The preprocessing's steps, where they cannot be recorded; by default those
            of the record.

    Example:
        >>> import pandas as pd
        >>> from lumin_core import ModelBuilder
        >>> from lumin_core.model.record import ModelRecord
        >>> from lumin_core.training.inputs import InputReader
        >>> builder = ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"])
        >>> frame = pd.DataFrame({"eta": [0.5], "mass": [1.8], "pt": [30.0]})
        >>> InputReader(builder, ModelRecord()).read(frame)
        array([[30. ,  0.5]], dtype=float32)
    """

    def __init__(self, builder: ModelBuilder, record: ModelRecord, pipes: Sequence[Any] | None = None) -> None:
        self.record = record
        self._pipes = pipes
        self.cont_feats = list(builder.cont_feats)
        self.cat_feats = [] if builder.cat_embedder is None else list(builder.cat_embedder.cat_names)

    def read(self, inputs: Any, *, raw: bool = False) -> Any:
        """Read inputs.

        Args:
            inputs: Shape ``(n, F)``, a data frame, or ``(flat, matrix)`` with a matrix of shape
                ``(n, ...)``; the matrix alone, too, if there are no flat features.
            raw: Whether they are as before the preprocessing.

        Returns:
            Float32, shape ``(n, F)``, or such a pair.

        Raises:
            DataError: If columns are missing, no numbers, or infinite.
            ShapeError: If there are more or fewer columns than features.
            ConfigError: If `raw` is asked for and nothing is recorded.
        """
        if getattr(inputs, "ndim", 2) > 2 and self._takes_matrix_alone():
            inputs = np.zeros((len(inputs), 0), dtype=np.float32), inputs
        if isinstance(inputs, tuple):
            if raw:
                raise ConfigError("raw=True takes flat inputs alone; preprocess the matrix yourself")
            if len(inputs) != 2:
                raise ShapeError(f"a tuple of inputs is (flat, matrix), got {len(inputs)} parts")
            flat = self._flat(inputs[0], self._flat_feats(), exact=False)
            return self._finite(_as_numbers(flat)), self._matrix(inputs[1])
        return self._finite(self._preprocessed(inputs) if raw else _as_numbers(self._flat(inputs, self.cont_feats)))

    def _flat_feats(self) -> list[str]:
        """Return the continuous features beside a matrix.

        Those of the builder hold its elements, too.
        """
        of_file = self.record.features.get("cont_feats", self.cont_feats)
        return [feat for feat in self.cont_feats if feat in of_file]

    def _takes_matrix_alone(self) -> bool:
        return not self._flat_feats() and not self.cat_feats

    def _matrix(self, inputs: Any) -> np.ndarray:
        matrix = _as_numbers(_plain(inputs))
        if np.isinf(matrix).any():
            raise DataError("the matrix has infinite elements; replace or clip them first")
        return matrix

    def _flat(self, inputs: Any, cont_feats: Sequence[str], *, exact: bool = True) -> np.ndarray:
        """Give the columns, in the type that they come in."""
        if isinstance(inputs, pd.DataFrame):
            inputs = self._from_frame(inputs, [*cont_feats, *self.cat_feats])
        values = _plain(inputs)
        expected = len(cont_feats) + len(self.cat_feats)
        if values.ndim != 2 or (exact and values.shape[1] != expected):
            raise ShapeError(
                f"inputs must be (n, {expected}), the {len(cont_feats)} continuous and {len(self.cat_feats)} "
                f"categorical features in the order of training, got {values.shape}; "
                "a data frame is taken by column name, and a matrix as (flat, matrix)"
            )
        return values

    def _from_frame(self, frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
        try:
            check_keys(columns, list(frame.columns), "the data frame")
        except ConfigError as error:
            raise DataError(str(error)) from error
        for column in columns:
            if frame[column].ndim > 1:
                raise DataError(f"the data frame has {column!r} more than once; rename or drop one")
            if (kind := pd.api.types.infer_dtype(frame[column], skipna=True)) in ("string", "mixed", "bytes"):
                raise DataError(f"the column {column!r} must hold numbers, got {kind}; encode it first")
        try:
            return np.stack([frame[column].to_numpy(np.float64, na_value=np.nan) for column in columns], axis=1)
        except (TypeError, ValueError) as error:
            raise DataError(f"the columns {', '.join(columns)} must hold numbers: {error}") from error

    def _preprocessed(self, inputs: Any) -> np.ndarray:
        """Apply category maps and the recorded preprocessing.

        The latter covers all features of the training file.
        """
        configs, feats = self.record.preprocessing, self.record.features.get("file_feats", self.cont_feats)
        pipes = transforms.chain_from_config(configs) if self._pipes is None else self._pipes
        if not pipes and not self.record.cat_maps:
            raise ConfigError(
                "raw=True needs a recorded preprocessing, but the training data recorded none; leave it out"
            )
        if not isinstance(inputs, pd.DataFrame):
            inputs = pd.DataFrame(self._flat(inputs, feats), columns=[*feats, *self.cat_feats])
        inputs = inputs.assign(**{feat: self._codes(inputs, feat) for feat in self.cat_feats if feat in inputs})
        check_keys(self.cont_feats, feats, "the preprocessing's record of features")
        flat = self._flat(inputs, feats)
        cont = transforms.apply_chain(pipes, flat[:, : len(feats)])
        if cont.shape[1] == len(feats):
            cont = cont[:, [feats.index(feat) for feat in self.cont_feats]]
        return np.concatenate([to_float32(cont), to_float32(flat[:, len(feats) :])], axis=1)

    def _codes(self, frame: pd.DataFrame, feat: str) -> np.ndarray:
        """Turn the values of a categorical feature into the codes of the training."""
        if feat not in self.record.cat_maps:
            return frame[feat].to_numpy()
        codes = {value: int(code) for code, value in self.record.cat_maps[feat].items()}
        unknown = [value for value in frame[feat].unique() if value not in codes]
        if unknown:
            raise DataError(
                f"{feat!r} has values that training did not have: {unknown[:5]}; known are {sorted(codes, key=str)}"
            )
        return frame[feat].astype(object).map(codes).to_numpy(np.float64)

    def _finite(self, values: np.ndarray) -> np.ndarray:
        """Return the values with 0 for NaN, as the yielder does.

        Infinities are refused, naming the columns.
        """
        if np.isfinite(values).all():
            return values
        names = [*self.cont_feats, *self.cat_feats]
        if infinite := np.isinf(values).any(0).nonzero()[0].tolist():
            columns = [names[i] if len(names) == values.shape[1] else f"column {i}" for i in infinite]
            raise DataError(f"inputs are infinite in {', '.join(columns)}; replace or clip them first")
        return np.where(np.isnan(values), np.float32(0), values)


def _plain(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _as_numbers(values: np.ndarray) -> np.ndarray:
    try:
        return to_float32(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"inputs must hold numbers: {error}") from error
