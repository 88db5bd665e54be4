"""Scaling by the moments of the training: the transform that is recorded is what is applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
import numpy as np

from lumin_core import registry
from lumin_core.data import apply_chain, chain_from_config
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.data import MatrixSchema, Pipe
    from lumin_plugin_io.moments import Moments
    from lumin_plugin_io.plan import Plan

_STANDARD = "tabular/standard_scaler"
_OPTIONS = ("with_mean", "with_std")
_CONSTANT = 1e-12  # of the mean: what rounding leaves of the deviation of a constant, and less than float32 tells apart
_BLOCK = 1 << 16  # values that are scaled together


def check_scaling(scaling: str | Mapping[str, Any]) -> None:
    """Refuse a scaling that there is not, or that cannot be made of moments.

    Args:
        scaling: The transform's name, a table with its name and options, or ``""``.

    Raises:
        UnknownComponent: If it is not installed; with what to install.
        ConfigError: If it is another one.

    Example:
        >>> from lumin_plugin_io.scaling import check_scaling
        >>> check_scaling("")
    """
    if not scaling:
        return
    name = scaling if isinstance(scaling, str) else scaling["name"]
    found = registry.find("transform", name)
    if found.qualified != _STANDARD:
        raise ConfigError(
            f"scaling must be '{_STANDARD}' or '' for none, got {name!r}, which would have to see all events at once; "
            "fit it to the fold file (fit_input_pipe of lumin-plugin-tabular)"
        )
    options = {} if isinstance(scaling, str) else {key: value for key, value in scaling.items() if key != "name"}
    if wrong := [key for key in options if key not in _OPTIONS]:
        raise ConfigError(f"scaling: {_STANDARD} takes {' and '.join(_OPTIONS)}, got {wrong[0]!r}")


def load_scaling(scaling: str | Mapping[str, Any]) -> None:
    """Import the transform, which takes seconds, and fails where a package of its own is missing.

    Args:
        scaling: As for `check_scaling`.

    Raises:
        BrokenPlugin: If it cannot be imported.
    """
    if scaling:
        registry.find("transform", _STANDARD).load()


@attrs.frozen
class Scaling:
    """Transforms of the inputs, and of the matrix.

    Attributes:
        flat: Of the continuous features.
        matrix: Of the existing columns of the flattened matrix.
        exists: Which elements of the flattened matrix exist.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.scaling import Scaling
        >>> x = np.ones((2, 3), dtype="float32")
        >>> Scaling([], [], None).scale_flat(x)
        >>> x[0].tolist()
        [1.0, 1.0, 1.0]
    """

    flat: list[Pipe]
    matrix: list[Pipe]
    exists: np.ndarray | None

    def scale_flat(self, values: np.ndarray) -> None:
        """Scale continuous features, shape ``(n, n_cont)``, in place."""
        if self.flat:
            _in_blocks(self.flat, values)

    def scale_matrix(self, values: np.ndarray) -> None:
        """Scale matrices, shape ``(n, N, F)``, contiguous, in place."""
        if self.matrix:
            _in_blocks(self.matrix, values.reshape(len(values), -1), self.exists)

    @property
    def chains(self) -> dict[str, list[Pipe]]:
        """The transforms by what they are for, to be recorded."""
        return {part: chain for part, chain in (("inputs", self.flat), ("matrix", self.matrix)) if chain}


def scaling_of(recipe: Plan, moments: Mapping[str, Moments]) -> Scaling:
    """Return the transforms of a recipe.

    Args:
        recipe: What is wanted.
        moments: Of the training: ``flat``, and ``matrix`` for each field.

    Raises:
        DataError: If a column has no value in the whole training.
    """
    matrix = recipe.matrix_schema()
    exists = None if matrix is None else ~np.array(matrix.missing, dtype=bool)
    flat = of_fields = []
    if "flat" in moments:
        flat = _chain(recipe, moments["flat"], [f"[variables] {name}" for name in recipe.cont_feats])
    if matrix is not None and "matrix" in moments and not all(table.unscaled for table in recipe.matrix):
        of_fields = _chain(recipe, moments["matrix"], [f"[matrix] {name}" for name in matrix.feats_per_vec], matrix)
    return Scaling(flat, of_fields, exists)


def _chain(recipe: Plan, moments: Moments, names: Sequence[str], matrix: MatrixSchema | None = None) -> list[Pipe]:
    if recipe.wgt_feat and not moments.total.any():
        raise DataError(
            f"{names[0]} and all others have no value in any event of the training whose weight is not 0; look at the "
            "weights"
        )
    if (empty := np.flatnonzero(moments.total <= 0)).size:
        raise DataError(
            f"{names[int(empty[0])]} has no value in any event of the training, or only events of weight 0 have one; "
            "leave it out, or look at its expression"
        )
    variance = moments.variance
    deviation = np.sqrt(variance)
    deviation[deviation <= _CONSTANT * np.abs(moments.mean)] = 1.0
    learned = {"n_samples_seen": moments.total, "mean": moments.mean, "var": variance, "scale": deviation}
    if matrix is not None:
        learned = _of_elements(recipe, matrix, learned)
    step = {
        "name": _STANDARD,
        **dict.fromkeys(_OPTIONS, True),
        **({} if isinstance(recipe.scaling, str) else recipe.scaling),
        "n_features_in": len(learned["mean"]),
        **{name: values.tolist() for name, values in learned.items()},
    }
    return cast("list[Pipe]", chain_from_config([step]))


def _of_elements(recipe: Plan, matrix: MatrixSchema, learned: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return for each existing element of the flattened matrix what was learned of its field."""
    exists = ~np.array(matrix.missing, dtype=bool)
    n_rows, n_fields = matrix.shape
    unscaled = np.repeat([table.unscaled for table in recipe.matrix], [table.n * n_fields for table in recipe.matrix])
    as_they_are = {"mean": 0.0, "var": 1.0, "scale": 1.0}
    found = {name: np.tile(values, n_rows) for name, values in learned.items()}
    found |= {name: np.where(unscaled, value, found[name]) for name, value in as_they_are.items()}
    return {name: values[exists] for name, values in found.items()}


def _in_blocks(chain: list[Pipe], values: np.ndarray, columns: np.ndarray | None = None) -> None:
    """Run a chain over events, a few at a time, and put what comes in their place."""
    step = max(1, _BLOCK // values.shape[1])
    for begin in range(0, len(values), step):
        block = values[begin : begin + step]
        if columns is None:
            block[...] = apply_chain(chain, block)
        else:
            block[:, columns] = apply_chain(chain, block[:, columns])
