"""Inputs of every sort, as the batches that a network takes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import Tensor

from lumin_core.checks import check_keys
from lumin_core.data import transforms
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.values import to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from lumin_core.data.transforms import Transform
    from lumin_core.model.builder import ModelBuilder
    from lumin_core.model.record import ModelRecord
    from lumin_core.training.network import Columns, Events, Network

    Read = np.ndarray | tuple[np.ndarray, np.ndarray]


def as_batches(
    network: Network,
    inputs: Events,
    bs: int | None = None,
    *,
    raw: bool = False,
    targets: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> BatchYielder:
    """Return all events in their order, as batches on the network's device.

    Args:
        network: Who will be asked.
        inputs: As for `InputReader.read`, or batches, of which a copy yields them so.
        bs: Events in a batch.
        raw: Whether they are as before the preprocessing.
        targets: Shape ``(n, n_targ)`` or ``(n,)``, or ``None``.
        weights: Shape ``(n, 1)`` or ``(n,)``, or ``None``.

    Raises:
        ConfigError: If batches are given and something that they hold themselves.
    """
    if not isinstance(inputs, BatchYielder):
        reader = InputReader(network.model_builder, network.record, network.pipes)
        return network.batches(reader.read(inputs, raw=raw), bs, targets, weights)
    if raw or targets is not None or weights is not None:
        raise ConfigError("a BatchYielder holds its own targets and weights, and inputs that were preprocessed")
    by = copy.copy(inputs)
    by.shuffle = False
    by.drop_last = False
    by.device = network.device
    by.input_mask = network.input_mask if by.input_mask is None else by.input_mask
    return by


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

    def __init__(self, builder: ModelBuilder, record: ModelRecord, pipes: Sequence[Transform] | None = None) -> None:
        self.record = record
        self.pipes = pipes
        self.cont_feats = list(builder.cont_feats)
        self.cat_feats = [] if builder.cat_embedder is None else list(builder.cat_embedder.cat_names)

    def read(self, inputs: Columns | tuple[Columns, ArrayLike | Tensor], *, raw: bool = False) -> Read:
        """Read inputs.

        Args:
            inputs: Shape ``(n, F)``, a data frame, or ``(flat, matrix)`` with a matrix of shape
                ``(n, ...)``; the matrix alone, too, if there are no flat features.
            raw: Whether they are as before the preprocessing.

        Returns:
            Float32, shape ``(n, F)``, or such a pair.

        Raises:
            DataError: If columns are missing, not numbers, or infinite.
            ShapeError: If there are more or fewer columns than features.
            ConfigError: If `raw` is asked for and nothing is recorded.
        """
        # beside a matrix; the builder's features are those of its elements, too
        of_file = self.record.features.get("cont_feats", self.cont_feats)
        flat_feats = [feat for feat in self.cont_feats if feat in of_file]
        if getattr(inputs, "ndim", 2) > 2 and not (flat_feats or self.cat_feats):
            matrix = _plain(inputs)
            inputs = np.zeros((len(matrix), 0), dtype=np.float32), matrix
        if not isinstance(inputs, tuple):
            return self._finite(self._preprocessed(inputs) if raw else self._flat(inputs, self.cont_feats))
        if raw:
            raise ConfigError("raw=True takes flat inputs alone; preprocess the matrix yourself")
        if len(inputs) != 2:
            raise ShapeError(f"a tuple of inputs is (flat, matrix), got {len(inputs)} parts")
        return self._finite(self._flat(inputs[0], flat_feats, exact=False)), _finite_matrix(_plain(inputs[1]))

    def _flat(self, inputs: Columns, cont_feats: Sequence[str], *, exact: bool = True) -> np.ndarray:
        """Return the columns, in the type that they come in."""
        if isinstance(inputs, pd.DataFrame):
            inputs = _from_frame(inputs, [*cont_feats, *self.cat_feats])
        values = _plain(inputs)
        expected = len(cont_feats) + len(self.cat_feats)
        if values.ndim != 2 or (exact and values.shape[1] != expected):
            raise ShapeError(
                f"inputs must be (n, {expected}), the {len(cont_feats)} continuous and {len(self.cat_feats)} "
                f"categorical features in the order of training, got {values.shape}; "
                "a data frame is taken by column name, and a matrix as (flat, matrix)"
            )
        return values

    def _preprocessed(self, inputs: Columns) -> np.ndarray:
        """Apply category maps and the recorded preprocessing.

        The latter covers all features of the training file.
        """
        record, feats = self.record, self.record.features.get("file_feats", self.cont_feats)
        pipes = transforms.chain_from_config(record.preprocessing) if self.pipes is None else self.pipes
        if not pipes and not record.cat_maps:
            raise ConfigError(
                "raw=True needs a recorded preprocessing, but the training data recorded none; leave it out"
            )
        if not isinstance(inputs, pd.DataFrame):
            inputs = pd.DataFrame(self._flat(inputs, feats), columns=[*feats, *self.cat_feats])
        mapped = [feat for feat in self.cat_feats if feat in inputs and feat in record.cat_maps]
        inputs = inputs.assign(**{feat: _codes(inputs, feat, record.cat_maps[feat]) for feat in mapped})
        check_keys(self.cont_feats, feats, "the preprocessing's record of features")
        flat = self._flat(inputs, feats)
        cont = transforms.apply_chain(pipes, flat[:, : len(feats)])
        if cont.shape[1] == len(feats):
            cont = cont[:, [feats.index(feat) for feat in self.cont_feats]]
        return np.concatenate([cont, flat[:, len(feats) :]], axis=1)

    def _finite(self, values: np.ndarray) -> np.ndarray:
        """Return the values as float32, with 0 for NaN, as the yielder does.

        Infinities are refused, naming the columns.
        """
        values = _numbers(values)
        if np.isfinite(values).all():
            return values
        names = [*self.cont_feats, *self.cat_feats]
        if infinite := np.isinf(values).any(0).nonzero()[0].tolist():
            columns = [names[i] if len(names) == values.shape[1] else f"column {i}" for i in infinite]
            raise DataError(f"inputs are infinite in {', '.join(columns)}; replace or clip them first")
        return np.where(np.isnan(values), np.float32(0), values)


def _from_frame(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return columns of a frame by name, which are to be numbers."""
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


def _codes(frame: pd.DataFrame, feat: str, cat_map: Mapping[str, object]) -> np.ndarray:
    """Turn the values of a categorical feature into the codes of the training."""
    codes = {value: int(code) for code, value in cat_map.items()}
    if unknown := [value for value in frame[feat].unique() if value not in codes]:
        raise DataError(
            f"{feat!r} has values that training did not have: {unknown[:5]}; known are {sorted(codes, key=str)}"
        )
    return frame[feat].astype(object).map(codes).to_numpy(np.float64)


def _finite_matrix(values: np.ndarray) -> np.ndarray:
    matrix = _numbers(values)
    if np.isinf(matrix).any():
        raise DataError("the matrix has infinite elements; replace or clip them first")
    return matrix


def _plain(values: object) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _numbers(values: np.ndarray) -> np.ndarray:
    try:
        return to_float32(values)
    except DataError as error:
        raise DataError(f"inputs must hold numbers, got {values.dtype}: {error.__cause__}") from error
