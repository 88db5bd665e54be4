"""Inputs of every sort, as the batches that a network takes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from lumin_core.checks import check_keys
from lumin_core.data import transforms
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.values import nan_to_zero, to_float32
from lumin_core.errors import ArgumentError, ConfigError, DataError, ShapeError
from lumin_core.training.input_columns import InputColumns, refuse_infinite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
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
    if isinstance(inputs, str | Path) or hasattr(inputs, "filename"):
        raise ArgumentError(
            f"inputs must be events, got {inputs!r}; give FoldYielder(path) of a fold file, a data frame of other files"
        )
    if isinstance(inputs, dict) and "inputs" in inputs and "targets" in inputs:
        raise ArgumentError("inputs must be events, got a whole fold; give its fold['inputs']")
    if not isinstance(inputs, BatchYielder):
        reader = InputReader(network.model_builder, network.record, network.pipes)
        read = reader.read(inputs, raw=raw, fill=network.head.missing == "zero")
        return network.batches(read, bs, targets, weights)
    if raw or targets is not None or weights is not None:
        raise ConfigError("a BatchYielder holds its own targets and weights, and inputs that were preprocessed")
    check_codes(network, inputs.inputs, "inputs", inputs.filled)
    refuse_infinite(inputs.inputs, [f"column {i}" for i in range(inputs.inputs.shape[1])])
    if inputs.matrix_inputs is not None:
        refuse_infinite(inputs.matrix_inputs)
    by = copy.copy(inputs)
    by.shuffle = False
    by.drop_last = False
    by.device = network.device
    by.input_mask = network.input_mask if by.input_mask is None else by.input_mask
    return by


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
    if lost := [embedder.cat_names[column - n_cont] for column in filled if column >= n_cont]:
        raise DataError(f"{where}: values of {lost[0]!r} are missing; drop these events")
    embedder.check_codes(flat[:, n_cont:], where)


class InputReader:
    """Turns inputs into what a `BatchYielder` takes.

    That is float32, NaN where a value is missing, columns as in training.

    Args:
        builder: The model's builder, for the features.
        record: What is known of the training data, for ``raw``.
        pipes: The preprocessing's steps, where they cannot be recorded; by default those
            of the record.
        cont_feats: Continuous features that are wanted; by default those of the builder.

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

    def __init__(
        self,
        builder: ModelBuilder,
        record: ModelRecord,
        pipes: Sequence[Pipe] | None = None,
        cont_feats: Sequence[str] | None = None,
    ) -> None:
        self.record = record
        self.pipes = pipes
        self.cont_feats = list(builder.cont_feats if cont_feats is None else cont_feats)
        self.cat_embedder = builder.cat_embedder
        self.cat_feats = builder.cat_feats

    def read(
        self, inputs: Columns | tuple[Columns, ArrayLike | Tensor], *, raw: bool = False, fill: bool = False
    ) -> Read:
        """Read inputs.

        Args:
            inputs: Shape ``(n, F)``, a data frame, a dict of columns, an array of records, or
                ``(flat, matrix)`` with a matrix of shape ``(n, ...)``; the matrix alone, too, if
                there are no flat features. What is masked, NA or NaN is missing.
            raw: Whether they are as before the preprocessing.
            fill: Whether missing values become 0, where that needs no further copy: of flat inputs
                that are not the caller's own memory.

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
            return self._pair(None, cast("ArrayLike", inputs), [])
        if isinstance(inputs, tuple):
            if raw:
                raise ConfigError("raw=True takes flat inputs alone; preprocess the matrix yourself")
            if len(inputs) != 2:
                raise ShapeError(f"a tuple of inputs is (flat, matrix), got {len(inputs)} parts")
            return self._pair(*inputs, flat_feats)
        feats, steps = self._recorded() if raw else (self.cont_feats, None)
        columns = InputColumns.of(inputs, feats, self.cat_feats)
        if steps is None:
            table = columns.table()
        else:
            unknown = () if self.cat_embedder is None else self.cat_embedder.unknown_feats
            table = columns.prepared(feats, self.cont_feats, steps, self.record.cat_maps, unknown)
        self._check_codes(table)
        if fill and (columns.array is None or not np.may_share_memory(table, columns.array)):
            nan_to_zero(table)
        return table

    def _pair(self, flat: Columns | None, matrix: ArrayLike | Tensor, feats: Sequence[str]) -> Read:
        """Read a matrix and what is beside it."""
        values = to_float32(matrix, "the matrix")
        if values.ndim == 0:
            raise ShapeError("the matrix must be (n, ...), one row an event, got a single number")
        refuse_infinite(values)
        if flat is None:
            return np.zeros((len(values), 0), dtype=np.float32), values
        table = InputColumns.of(flat, feats, self.cat_feats, exact=False).table()
        self._check_codes(table)
        return table, values

    def _recorded(self) -> tuple[Sequence[str], Sequence[Pipe]]:
        """Return the recorded preprocessing, and its features: all of the training file."""
        record = self.record
        steps = transforms.chain_from_config(record.preprocessing) if self.pipes is None else self.pipes
        if not steps and not record.cat_maps:
            raise ConfigError(
                "raw=True needs a recorded preprocessing, but the training data recorded none; leave it out"
            )
        feats = record.features.get("file_feats", self.cont_feats)
        check_keys(self.cont_feats, feats, "the preprocessing's record of features")
        return feats, steps

    def _check_codes(self, table: np.ndarray) -> None:
        if self.cat_embedder is not None:
            self.cat_embedder.check_codes(table[:, table.shape[1] - len(self.cat_feats) :], "inputs")
