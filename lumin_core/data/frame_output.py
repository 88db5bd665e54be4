"""From fold files to data frames, with LUMIN's column names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import pandas as pd

from lumin_core.data.chains import invert_chain
from lumin_core.data.pipelines import PARTS
from lumin_core.data.values import RESERVED, without_nan
from lumin_core.errors import ConfigError, LuminError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lumin_core.data.fold_reader import FoldReader
    from lumin_core.data.pipelines import Pipelines
    from lumin_core.data.transforms import Pipe

SPREAD = "_spread"  # ends the name of a column of widths, beside that of the predictions


@attrs.frozen
class Wanted:
    """What a data frame is to hold beside targets, weights and predictions.

    Attributes:
        n_folds: The first ``n_folds`` folds; by default all.
        fold_idx: One fold alone.
        inputs: Whether to include flat inputs.
        matrix: Whether to include the flattened matrix among the inputs.
        fill: Whether NaN in inputs become 0.
        ignored: Inputs to leave out.
        misc: Whether to include further columns of the file.
    """

    n_folds: int | None = None
    fold_idx: int | None = None
    inputs: bool = False
    matrix: bool = False
    fill: bool = False
    ignored: Collection[str] = ()
    misc: bool = False

    def read(self, reader: FoldReader, column: str) -> np.ndarray | None:
        """Read a column of the folds."""
        return reader.read_column(column, self.n_folds, self.fold_idx)


def to_frame(
    reader: FoldReader, named: Mapping[str, str], wanted: Wanted, pipelines: Pipelines | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Make a data frame of a fold file; see `FoldYielder.get_df`, which this does.

    Args:
        reader: Of the file.
        named: Which column of the file to give under ``gen_target``, ``gen_weight``, ``pred``.
        wanted: What else, and of which folds.
        pipelines: The transforms to undo, if any.

    Returns:
        The data frame, and which of the named columns the file does not have.

    Raises:
        ConfigError: If there is nothing to undo.
        ShapeError: If a pipeline does not fit the data.

    Example:
        See `FoldYielder`.
    """
    pipes = {part: [] if pipelines is None else pipelines.get_pipes(part) for part in PARTS}
    if pipelines is not None and not any(pipes.values()):
        raise ConfigError(
            f"deprocess=True, but {reader.path.name} holds no preprocessing and none was given: pass input_pipe= or "
            "output_pipe= to the FoldYielder, or leave deprocess out"
        )
    inputs = _input_columns(reader, wanted, pipes) if wanted.inputs else {}
    columns: dict[str, np.ndarray] = {}
    lacking = []
    for name, column in named.items():
        values = wanted.read(reader, column)
        if values is None:
            lacking.append(column)
        else:
            pipe = pipes["targets"] if name != "gen_weight" else []
            mean = wanted.read(reader, column.removesuffix(SPREAD)) if pipe and column.endswith(SPREAD) else None
            of_column = _inverted(pipe, values, column) if mean is None else _width(pipe, mean, values, column)
            columns |= _numbered(name, of_column)
    columns = _beside(columns, inputs, "input") | columns
    misc = _misc_columns(reader, wanted, named.values()) if wanted.misc else {}
    return pd.DataFrame(columns | _beside(columns, misc, "misc")), lacking


def _input_columns(reader: FoldReader, wanted: Wanted, pipes: Mapping[str, Sequence[Pipe]]) -> dict[str, np.ndarray]:
    columns = _flat_columns(reader, wanted, pipes["inputs"])
    if wanted.matrix:
        columns |= _beside(columns, _matrix_columns(reader, wanted, pipes["matrix"]), "matrix")
    return {name: without_nan(values) for name, values in columns.items()} if wanted.fill else columns


def _beside(taken: Collection[str], columns: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return columns under names of their own, ``{prefix}_{name}`` where one is taken."""
    renamed: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        free = name
        while free in taken or (free != name and free in columns):
            free = f"{prefix}_{free}"
        renamed[free] = values
    return renamed


def _flat_columns(reader: FoldReader, wanted: Wanted, pipe: Sequence[Pipe]) -> dict[str, np.ndarray]:
    inputs, n_cont = wanted.read(reader, "inputs"), len(reader.schema.cont_feats)
    if inputs is None:
        return {}
    if pipe and n_cont:
        inputs = np.hstack((_inverted(pipe, inputs[:, :n_cont], "inputs"), inputs[:, n_cont:]))
    return {feat: inputs[:, i] for i, feat in enumerate(reader.schema.input_feats) if feat not in wanted.ignored}


def _matrix_columns(reader: FoldReader, wanted: Wanted, pipe: Sequence[Pipe]) -> dict[str, np.ndarray]:
    values, matrix = wanted.read(reader, "matrix_inputs"), reader.schema.matrix
    if values is None:
        return {}
    flat = values.reshape(len(values), -1)
    names = ["matrix"] if matrix is None else matrix.present_feats
    if matrix is not None and len(matrix.missing) == flat.shape[1]:
        flat = flat[:, ~np.array(matrix.missing, dtype=bool)]
    else:  # a tensor: its elements are numbered
        names = [f"{names[0]}_" + "_".join(map(str, index)) for index in np.ndindex(*values.shape[1:])]
    flat = _inverted(pipe, flat, "matrix_inputs")
    return {name: flat[:, i] for i, name in enumerate(names)}


def _misc_columns(reader: FoldReader, wanted: Wanted, named: Collection[str]) -> dict[str, np.ndarray]:
    """Read what is neither data nor predicted, first what the file lists; LUMIN's lists nothing."""
    columns: dict[str, np.ndarray] = {}
    for name in dict.fromkeys((*reader.schema.misc_feats, *reader.columns)):
        if name not in RESERVED and name not in named and reader.folds_with_data(name):
            values = wanted.read(reader, name)
            columns |= {} if values is None else _numbered(name, values)
    return columns


def _inverted(pipe: Sequence[Pipe], values: np.ndarray, column: str) -> np.ndarray:
    """Undo a pipeline, keeping the number of axes."""
    if not pipe:
        return values
    try:
        result = np.asarray(invert_chain(pipe, values if values.ndim > 1 else values[:, None]))
    except LuminError:
        raise
    except ValueError as error:
        raise ShapeError(f"the pipeline cannot undo {column!r} of shape {values.shape}: {error}") from error
    return result.reshape(values.shape) if result.size == values.size else result


def _width(pipe: Sequence[Pipe], mean: np.ndarray, spread: np.ndarray, column: str) -> np.ndarray:
    """Undo a pipeline for a width: half of what is between its two ends."""
    high, low = (_inverted(pipe, mean.astype(np.float64) + sign * spread, column) for sign in (1, -1))
    width: np.ndarray = np.abs(high - low) / 2
    return width.astype(spread.dtype)


def _numbered(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return one column, or one for every value of an event."""
    if values.ndim == 1:
        return {name: values}
    flat = values.reshape(len(values), -1)
    return {f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
