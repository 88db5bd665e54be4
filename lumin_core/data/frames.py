"""Fold files as data frames."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lumin_core.data.transforms import invert
from lumin_core.errors import ConfigError, LuminError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.data.fold_yielder import FoldYielder

_log = logging.getLogger(__name__)


def yielder_to_df(
    fy: FoldYielder, named: Mapping[str, str], *, n_folds: int | None, fold_idx: int | None, inc_inputs: bool,
    inc_ignore: bool, deprocess: bool, suppress_warn: bool, nan_to_num: bool, inc_matrix: bool,
) -> pd.DataFrame:  # fmt: skip
    """Give a data frame; see `FoldYielder.get_df`, which this does.

    Args:
        fy: The yielder.
        named: Which column of the file to give under ``gen_target``, ``gen_weight``, ``pred``.
        n_folds: As there.
        fold_idx: As there.
        inc_inputs: As there.
        inc_ignore: As there.
        deprocess: As there.
        suppress_warn: As there.
        nan_to_num: As there.
        inc_matrix: As there.

    Example:
        See `FoldYielder`.
    """
    pipes = {name: fy.get_pipes(name) if deprocess else [] for name in ("inputs", "targets", "matrix")}
    if deprocess and not any(pipes.values()):
        raise ConfigError(
            f"deprocess=True, but {fy.foldfile.name} holds no preprocessing and none was given: pass input_pipe= or "
            "output_pipe= to the FoldYielder, or leave deprocess out"
        )
    where: dict[str, Any] = {"n_folds": n_folds, "fold_idx": fold_idx}
    columns: dict[str, np.ndarray] = {}
    if inc_inputs:
        columns |= _inputs(fy, where, pipes["inputs"], inc_ignore=inc_ignore)
        if inc_matrix and fy.has_matrix:
            columns |= _matrix(fy, where, pipes["matrix"])
        if nan_to_num:
            columns = {name: np.nan_to_num(values) for name, values in columns.items()}
    for name, column in named.items():
        values = fy.get_column(column, **where)
        if values is None and not suppress_warn:
            _log.warning("%s has no column %r", fy.foldfile.name, column)
        if values is not None:
            pipe = pipes["targets"] if name != "gen_weight" else []
            columns |= _numbered(name, _inverted(pipe, values, column))
    return pd.DataFrame(columns)


def _inputs(
    fy: FoldYielder, where: Mapping[str, Any], pipe: Sequence[Any], *, inc_ignore: bool
) -> dict[str, np.ndarray]:
    inputs = fy.get_column("inputs", **where)
    if inputs is None:
        return {}
    n_cont, ignored = len(fy.meta.cont_feats), [] if inc_ignore else fy.get_ignore()
    if pipe and n_cont:
        inputs = np.hstack((_inverted(pipe, inputs[:, :n_cont], "inputs"), inputs[:, n_cont:]))
    return {feat: inputs[:, i] for i, feat in enumerate(fy.input_feats) if feat not in ignored}


def _matrix(fy: FoldYielder, where: Mapping[str, Any], pipe: Sequence[Any]) -> dict[str, np.ndarray]:
    values = fy.get_column("matrix_inputs", **where)
    if values is None:
        return {}
    entry, flat = fy.matrix_feats or {}, values.reshape(len(values), -1)
    names, missing = entry.get("present_feats", ["matrix"]), np.array(entry.get("missing", []), dtype=bool)
    if missing.size == flat.shape[1]:
        flat = flat[:, ~missing]
    else:  # a tensor: its elements are numbered
        names = [f"{names[0]}_" + "_".join(map(str, index)) for index in np.ndindex(*values.shape[1:])]
    flat = _inverted(pipe, flat, "matrix_inputs")
    return {name: flat[:, i] for i, name in enumerate(names)}


def _inverted(pipe: Sequence[Any], values: np.ndarray, column: str) -> np.ndarray:
    """Undo a pipeline, keeping the number of axes."""
    if not pipe:
        return values
    try:
        result = np.asarray(invert(pipe, values if values.ndim > 1 else values[:, None]))
    except LuminError:
        raise
    except ValueError as error:
        raise ShapeError(f"the pipeline cannot undo {column!r} of shape {values.shape}: {error}") from error
    return result.reshape(values.shape) if result.size == values.size else result


def _numbered(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Give one column, or one for every value of an event."""
    if values.ndim == 1:
        return {name: values}
    flat = values.reshape(len(values), -1)
    return {f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
