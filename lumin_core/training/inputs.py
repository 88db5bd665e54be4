"""Inputs of every sort, as the batches that a network takes."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lumin_core.checks import check_keys
from lumin_core.data import transforms
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.numbers import as_array, as_numbers, unmasked
from lumin_core.data.tables import is_frame
from lumin_core.data.values import BLOCK, nan_to_zero, to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.training.input_columns import InputColumns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from lumin_core.data.transforms import Pipe
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
        read = InputReader(network.model_builder, network.record, network.pipes).read(inputs, raw=raw)
        if network.head.missing == "zero" and isinstance(read, np.ndarray) and not _is_of(read, inputs):
            nan_to_zero(read)  # it is ours, and batches need not copy it
        return network.batches(read, bs, targets, weights)
    if raw or targets is not None or weights is not None:
        raise ConfigError("a BatchYielder holds its own targets and weights, and inputs that were preprocessed")
    _check_batches(network, inputs)
    by = copy.copy(inputs)
    by.shuffle = False
    by.drop_last = False
    by.device = network.device
    by.input_mask = network.input_mask if by.input_mask is None else by.input_mask
    return by


def _check_batches(network: Network, by: BatchYielder) -> None:
    """Refuse batches of infinite inputs, or of categories that the network does not know."""
    check_codes(network, by.inputs, "inputs", by.filled)
    _refuse_infinite(by.inputs, [f"column {i}" for i in range(by.inputs.shape[1])])
    if by.matrix_inputs is not None:
        _refuse_infinite_matrix(by.matrix_inputs)


def check_codes(network: Network, flat: np.ndarray, where: str, filled: Sequence[int] = ()) -> None:
    """Refuse categories that the network does not know, in the last columns of flat inputs.

    Args:
        network: Who will be asked.
        flat: Shape ``(n, F)``.
        where: What they are, for the message.
        filled: Numbers of columns in which values were missing, and are 0 by now.

    Raises:
        DataError: If there are such; it names column and value.
    """
    embedder = network.model_builder.cat_embedder
    if embedder is None or flat.ndim != 2 or (n_cont := flat.shape[1] - embedder.n_cat_in) < 0:
        return
    for column in filled:
        if column >= n_cont:
            raise DataError(
                f"{where}: values of {embedder.cat_names[column - n_cont]!r} are missing; drop these events"
            )
    embedder.check_codes(flat[:, n_cont:], where)


class InputReader:
    """Turns inputs into what a `BatchYielder` takes.

    That is float32, NaN where a value is missing, columns as in training.

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

    def __init__(self, builder: ModelBuilder, record: ModelRecord, pipes: Sequence[Pipe] | None = None) -> None:
        self.record = record
        self.pipes = pipes
        self.cont_feats = list(builder.cont_feats)
        self.cat_embedder = builder.cat_embedder
        self.cat_feats = [] if self.cat_embedder is None else list(self.cat_embedder.cat_names)

    def read(self, inputs: Columns | tuple[Columns, ArrayLike | Tensor], *, raw: bool = False) -> Read:
        """Read inputs.

        Args:
            inputs: Shape ``(n, F)``, a data frame, a dict of columns, an array of records, or
                ``(flat, matrix)`` with a matrix of shape ``(n, ...)``; the matrix alone, too, if
                there are no flat features. What is masked, NA or NaN is missing.
            raw: Whether they are as before the preprocessing.

        Returns:
            Float32, shape ``(n, F)``, or such a pair.

        Raises:
            DataError: If columns are missing, not numbers, infinite, or come twice, or codes are
                none of the training's.
            ShapeError: If there are more or fewer columns than features.
            ConfigError: If `raw` is asked for and nothing is recorded.
        """
        # beside a matrix; the builder's features are those of its elements, too
        of_file = self.record.features.get("cont_feats", self.cont_feats)
        flat_feats = [feat for feat in self.cont_feats if feat in of_file]
        if getattr(inputs, "ndim", 2) > 2 and not (flat_feats or self.cat_feats):
            matrix = as_numbers(inputs, "the matrix")
            inputs = np.zeros((len(matrix), 0), dtype=np.float32), matrix
        if not isinstance(inputs, tuple):
            return self._preprocessed(inputs) if raw else self._flat(inputs, self.cont_feats)
        if raw:
            raise ConfigError("raw=True takes flat inputs alone; preprocess the matrix yourself")
        if len(inputs) != 2:
            raise ShapeError(f"a tuple of inputs is (flat, matrix), got {len(inputs)} parts")
        matrix = to_float32(inputs[1], "the matrix")
        if matrix.ndim == 0:
            raise ShapeError("the matrix must be (n, ...), one row an event, got a single number")
        _refuse_infinite_matrix(matrix)
        return self._flat(inputs[0], flat_feats, exact=False), matrix

    def _flat(self, inputs: Columns, cont_feats: Sequence[str], *, exact: bool = True) -> NDArray[np.float32]:
        """Return the columns, checked."""
        columns = self._columns(inputs, cont_feats, exact=exact)
        table = columns.table()
        _refuse_infinite(table, columns.names)
        self._check_codes(table)
        return table

    def _columns(self, inputs: Columns, cont_feats: Sequence[str], *, exact: bool = True) -> InputColumns:
        """Take the columns, by name where they have one."""
        names = [*cont_feats, *self.cat_feats]
        if is_frame(inputs):
            return InputColumns.of_frame(inputs, names)
        array = as_array(inputs, "inputs")
        if array.ndim != 2 or (exact and array.shape[1] != len(names)):
            raise ShapeError(
                f"inputs must be (n, {len(names)}), the {len(cont_feats)} continuous and {len(self.cat_feats)} "
                f"categorical features in the order of training, got {array.shape}; "
                "a data frame is taken by column name, and a matrix as (flat, matrix)"
            )
        return InputColumns.of_array(array, names)

    def _preprocessed(self, inputs: Columns) -> NDArray[np.float32]:
        """Apply category maps and the recorded preprocessing.

        The latter covers all features of the training file.
        """
        record, feats = self.record, self.record.features.get("file_feats", self.cont_feats)
        pipes = transforms.chain_from_config(record.preprocessing) if self.pipes is None else self.pipes
        if not pipes and not record.cat_maps:
            raise ConfigError(
                "raw=True needs a recorded preprocessing, but the training data recorded none; leave it out"
            )
        columns = self._columns(inputs, feats)
        check_keys(self.cont_feats, feats, "the preprocessing's record of features")
        chosen = [feats.index(feat) for feat in self.cont_feats]
        table = np.empty((columns.n, len(chosen) + len(self.cat_feats)), dtype=np.float32)
        for rows, block in columns.blocks(len(feats)):
            _refuse_infinite(block, feats)
            prepared = transforms.apply_chain(pipes, block)
            if prepared.shape[1] != len(feats):
                raise ShapeError(f"the preprocessing must give {len(feats)} columns, got shape {prepared.shape}")
            table[rows, : len(chosen)] = to_float32(prepared[:, chosen])
        for i, feat in enumerate(self.cat_feats):
            table[:, len(chosen) + i] = self._codes(columns, len(feats) + i, feat)
        _refuse_infinite(table, [*self.cont_feats, *self.cat_feats])
        self._check_codes(table)
        return table

    def _codes(self, columns: InputColumns, i: int, feat: str) -> np.ndarray:
        """Turn the values of a categorical feature into the codes of the training."""
        if feat not in self.record.cat_maps:
            return columns.numbers(i)
        given = columns.take(i, slice(None))
        column = given if isinstance(given, pd.Series) else pd.Series(unmasked(given))
        codes = {value: int(code) for code, value in self.record.cat_maps[feat].items()}
        if unknown := [value for value in column.unique() if value not in codes]:
            raise DataError(
                f"{feat!r} has values that training did not have: {unknown[:5]}; known are {sorted(codes, key=str)}"
            )
        return column.astype(object).map(codes).to_numpy(np.float64)

    def _check_codes(self, table: np.ndarray) -> None:
        if self.cat_embedder is not None:
            self.cat_embedder.check_codes(table[:, table.shape[1] - len(self.cat_feats) :], "inputs")


def _is_of(read: np.ndarray, inputs: object) -> bool:
    """Tell whether what was read is the caller's own memory."""
    return not (is_frame(inputs) or isinstance(inputs, list)) and np.may_share_memory(read, as_array(inputs))


def _refuse_infinite(values: np.ndarray, names: Sequence[str]) -> None:
    if (infinite := _infinite(values)).any():
        columns = [name for name, is_bad in zip(names, infinite, strict=True) if is_bad]
        raise DataError(f"inputs are infinite in {', '.join(columns)}; replace or clip them first")


def _refuse_infinite_matrix(matrix: np.ndarray) -> None:
    if _infinite(matrix).any():
        raise DataError("the matrix has infinite elements; replace or clip them first")


def _infinite(values: np.ndarray) -> NDArray[np.bool_]:
    """Tell for each element of an event whether it is infinite in any.

    No temporary of that size is made.
    """
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    found, step = np.zeros(flat.shape[1], dtype=bool), max(1, BLOCK // max(1, flat.shape[1]))
    for start in range(0, len(flat), step):
        found |= np.isinf(flat[start : start + step]).any(axis=0)
    return found
