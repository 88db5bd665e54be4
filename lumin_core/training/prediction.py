"""Reading what a model is asked about: arrays, tensors, data frames and ``(flat, matrix)``, as the yielder would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from lumin_core.data import transforms
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.model.options import check_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.builder import ModelBuilder
    from lumin_core.model.saving import ModelRecord

PREDICT_BS = 2048  # measured on one core: smaller batches cost calls, larger ones leave the cache


class InputReader:
    """Turns inputs into what a `BatchYielder` takes: float32, missing values 0, columns as in training.

    Args:
        builder: The model's builder, for the features.
        record: What is known of the training data, for ``raw``.
        pipes: The preprocessing's steps, where they cannot be recorded; by default those of the record.

    Example:
        >>> import pandas as pd
        >>> from lumin_core import ModelBuilder
        >>> from lumin_core.model.saving import ModelRecord
        >>> from lumin_core.training.prediction import InputReader
        >>> builder = ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"])
        >>> frame = pd.DataFrame({"eta": [0.5], "mass": [1.8], "pt": [30.0]})
        >>> InputReader(builder, ModelRecord()).read(frame)
        array([[30. ,  0.5]], dtype=float32)
    """

    def __init__(self, builder: ModelBuilder, record: ModelRecord, pipes: Sequence[Any] | None = None) -> None:
        self.record, self._pipes = record, pipes
        self.cont_feats = list(builder.cont_feats)
        self.cat_feats = [] if builder.cat_embedder is None else list(builder.cat_embedder.cat_names)

    def read(self, inputs: Any, *, raw: bool = False) -> Any:
        """Read inputs.

        Args:
            inputs: Shape ``(n, F)``, a data frame, or ``(flat, matrix)`` with a matrix of shape ``(n, ...)``.
            raw: Whether they are as before the preprocessing.

        Returns:
            Float32, shape ``(n, F)``, or such a pair.

        Raises:
            DataError: If columns are missing, no numbers, or infinite.
            ShapeError: If there are more or fewer columns than features.
            ConfigError: If `raw` is asked for and nothing is recorded.
        """
        if isinstance(inputs, tuple):
            if raw:
                raise ConfigError("raw=True takes flat inputs alone; preprocess the matrix yourself")
            flat, matrix = inputs
            return self._finite(self._flat(flat, self.cont_feats, exact=False)), np.asarray(_plain(matrix), np.float32)
        return self._finite(self._preprocessed(inputs) if raw else self._flat(inputs, self.cont_feats))

    def _flat(self, inputs: Any, cont_feats: Sequence[str], *, exact: bool = True) -> np.ndarray:
        """Give the columns, as they are, in single precision (float64 before a preprocessing)."""
        if isinstance(inputs, pd.DataFrame):
            inputs = self._from_frame(inputs, [*cont_feats, *self.cat_feats])
        values = _plain(inputs)
        expected = len(cont_feats) + len(self.cat_feats)
        if values.ndim != 2 or (exact and values.shape[1] != expected):
            raise ShapeError(
                f"inputs must be (n, {expected}), the {len(cont_feats)} continuous and {len(self.cat_feats)} categorical "
                f"features in the order of training, got {values.shape}; a data frame is taken by column name"
            )
        return _as_numbers(values, np.float32)

    def _from_frame(self, frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
        try:
            check_keys(columns, list(frame.columns), "the data frame")
        except ConfigError as error:
            raise DataError(str(error)) from error
        for column in columns:
            _as_numbers(frame[column].to_numpy(), np.float64, column)
        return frame[list(columns)].to_numpy(dtype=np.float64)

    def _preprocessed(self, inputs: Any) -> np.ndarray:
        """Apply category maps and the recorded preprocessing, which covers all features of the training file."""
        configs, feats = self.record.preprocessing, self.record.features.get("file_feats", self.cont_feats)
        pipes = transforms.from_config(configs) if self._pipes is None else self._pipes
        if not pipes and not self.record.cat_maps:
            raise ConfigError("raw=True needs a recorded preprocessing, but the training data recorded none; leave it out")
        if isinstance(inputs, pd.DataFrame):
            inputs = inputs.assign(**{feat: self._codes(inputs, feat) for feat in self.cat_feats if feat in inputs})
        flat = self._flat(inputs, feats)
        cont = transforms.apply(pipes, flat[:, : len(feats)])
        if cont.shape[1] == len(feats):
            cont = cont[:, [feats.index(feat) for feat in self.cont_feats]]
        return np.concatenate([cont, flat[:, len(feats) :]], axis=1).astype(np.float32)

    def _codes(self, frame: pd.DataFrame, feat: str) -> np.ndarray:
        """Turn the values of a categorical feature into the codes of the training."""
        if feat not in self.record.cat_maps:
            return frame[feat].to_numpy()
        codes = {value: int(code) for code, value in self.record.cat_maps[feat].items()}
        unknown = [value for value in frame[feat].unique() if value not in codes]
        if unknown:
            raise DataError(f"{feat!r} has values that training did not have: {unknown[:5]}; known are {sorted(codes, key=str)}")
        return frame[feat].map(codes).to_numpy()

    def _finite(self, values: np.ndarray) -> np.ndarray:
        """Give the values with 0 for NaN, as the yielder does; refuse infinities, naming the columns."""
        if np.isfinite(values).all():
            return values
        names = [*self.cont_feats, *self.cat_feats]
        if infinite := np.isinf(values).any(0).nonzero()[0].tolist():
            columns = [names[i] if len(names) == values.shape[1] else f"column {i}" for i in infinite]
            raise DataError(f"inputs are infinite in {', '.join(columns)}; replace or clip them first")
        return np.where(np.isnan(values), np.float32(0), values)


def _plain(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _as_numbers(values: np.ndarray, dtype: type, column: str | None = None) -> np.ndarray:
    try:
        return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        where = "inputs" if column is None else f"the column {column!r}"
        raise DataError(f"{where} must hold numbers: {error}") from error


def predict_folds(fy: FoldYielder, pred_name: str, ask: Callable[[Any], Any]) -> None:
    """Predict every fold, averaged over test-time variants, and save all predictions at once.

    Args:
        fy: The data.
        pred_name: The column's name.
        ask: Function from the inputs of a fold to predictions of shape ``(n, n_out)``; one output is saved as ``(n,)``.
    """
    with fy.writing():
        for fold in range(len(fy)):
            total: Any = sum(np.asarray(ask(fy.get_test_fold(fold, i)["inputs"])) for i in range(fy.aug_mult))
            preds = (total / fy.aug_mult).astype(np.float32)
            fy.save_fold_pred(preds[:, 0] if preds.shape[1:] == (1,) else preds, fold, pred_name)
