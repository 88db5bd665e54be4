r"""Momenta of a fold: which columns they are, and their values as before the preprocessing.

A vector is what columns ``{vec}_px, _py, _pz, _E`` or ``{vec}_pt, _eta, _phi, _mass`` say of one
object. Symmetries of events are symmetries of momenta, not of standardised numbers, so that what
the fold file holds is brought back first:

.. math:: x \to p = T^{-1}(x) \to p' \to x' = T(p')

A chain :math:`T` of scalers, which shift and scale every column for itself, is undone for the
columns at hand alone; any other is undone as a whole, since principal components mix all columns.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lumin_core import registry
from lumin_core.checks import input_hint
from lumin_core.data import apply_chain, as_chain, invert_chain
from lumin_core.errors import ConfigError, DataError, LuminError, ShapeError
from lumin_plugin_hep.precision import into_range

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from lumin_core.data import Fold, Pipe, Transform

    Array = np.ndarray
    Vectors = dict[str, dict[str, int]]

Column = TypeVar("Column")

PARTS = ("inputs", "matrix", "targets")
SYSTEMS = ({"px", "py", "pz"}, {"pt", "eta", "phi"})
COORDINATES = ("px", "py", "pz", "E", "pt", "eta", "phi", "mass", "absp")
_BY_SUFFIX = {name.lower(): name for name in COORDINATES}
_NO_VECTORS = ("delta", "d", "abs")  # delta_phi, tau_abs_eta: numbers of an event, not coordinates of an object


def find_vectors(names: Iterable[str]) -> Vectors:
    """Find vectors by their names, upper and lower case alike: ``tau_pT`` is the ``pt`` of ``tau``.

    Args:
        names: Of columns.

    Returns:
        For each vector the columns of its coordinates, one of `COORDINATES` each; both in the order
        of the names. Differences and absolute values, such as ``tau_delta_phi`` and
        ``tau_abs_eta``, are none.

    Raises:
        ConfigError: If two columns are the same coordinate.

    Example:
        >>> from lumin_plugin_hep.momenta import find_vectors
        >>> find_vectors(["tau_px", "met_pT", "tau_py", "delta_phi"])
        {'tau': {'px': 0, 'py': 2}, 'met': {'pt': 1}}
    """
    vectors: Vectors = {}
    names = [str(name) for name in names]
    for column, name in enumerate(names):
        vec, _, suffix = name.rpartition("_")
        coordinate = _BY_SUFFIX.get(suffix.lower())
        if coordinate is None or not vec or vec.rpartition("_")[2].lower() in _NO_VECTORS:
            continue
        if coordinate in vectors.setdefault(vec, {}):
            msg = f"{names[vectors[vec][coordinate]]!r} and {name!r} are both the {coordinate} of {vec!r}; rename one"
            raise ConfigError(msg)
        vectors[vec][coordinate] = column
    return vectors


def check_vectors(vecs: Sequence[str], known: Collection[str], where: str) -> None:
    """Refuse names of vectors that there are not.

    Raises:
        ConfigError: With the nearest name.

    Example:
        >>> from lumin_plugin_hep.momenta import check_vectors
        >>> check_vectors(["tau"], ["tau", "met"], "inputs")
    """
    for vec in vecs:
        if vec not in known:
            msg = f"there is no vector {vec!r} among the {where}{input_hint(vec, known)}"
            raise ConfigError(msg)


def select_vectors(
    found: Mapping[str, dict[str, Column]], changed: Collection[str], vecs: Sequence[str] | None = None
) -> dict[str, dict[str, Column]]:
    """Give the vectors of which a coordinate changes.

    Args:
        found: From `find_vectors`, or names in place of columns.
        changed: Coordinates that change.
        vecs: Vectors to choose from; by default all.

    Returns:
        Those of ``found``.

    Raises:
        ConfigError: If a lone coordinate would change, which may be a vector's or not (``jets_px``,
            ``prod_eta``), and is not named.

    Example:
        >>> from lumin_plugin_hep.momenta import find_vectors, select_vectors
        >>> select_vectors(find_vectors(["tau_px", "tau_py", "met_mass"]), {"px"})
        {'tau': {'px': 0, 'py': 1}}
    """
    selected = {vec: c for vec, c in found.items() if c.keys() & changed and (vecs is None or vec in vecs)}
    for vec, coordinates in selected.items():
        if vecs is None and not is_vector(coordinates):
            msg = f"{vec!r} has {', '.join(coordinates)} alone, which may be a vector's or not: give vecs= with the "
            msg += "vectors to turn, this one among them or not"
            raise ConfigError(msg)
    return selected


def check_pairs(vectors: Mapping[str, Collection[str]]) -> None:
    """Refuse vectors that have one of ``px`` and ``py`` without the other, which cannot be rotated.

    Raises:
        ConfigError: Naming the vector.

    Example:
        >>> from lumin_plugin_hep.momenta import check_pairs
        >>> check_pairs({"tau": {"px": 0, "py": 1}})
    """
    for vec, coordinates in vectors.items():
        if ("px" in coordinates) != ("py" in coordinates):
            lacking = "py" if "px" in coordinates else "px"
            msg = f"{vec!r} has {', '.join(coordinates)} but no {lacking}, so that it cannot be turned with the event"
            raise ConfigError(msg)


def is_vector(coordinates: Collection[str]) -> bool:
    """Tell whether these coordinates can only be a vector's: two or more of one system.

    Example:
        >>> from lumin_plugin_hep.momenta import is_vector
        >>> is_vector(["px", "pz"]), is_vector(["eta"])
        (True, False)
    """
    return any(len(system & set(coordinates)) > 1 for system in SYSTEMS)


def wrap_phi(phi: Array) -> Array:
    """Bring angles into [-pi, pi), by full turns alone.

    Those that are there already stay as they are.

    Args:
        phi: Angles [rad], any shape.

    Returns:
        Angles [rad], of the same shape and dtype.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.momenta import wrap_phi
        >>> wrap_phi(np.array([1.0, np.pi, -4.0])).round(4)
        array([ 1.    , -3.1416,  2.2832])
    """
    wrapped: Array = into_range(phi - 2 * np.pi * np.floor((phi + np.pi) / (2 * np.pi)))
    return wrapped


def column_names(fold: Fold, part: str) -> list[str]:
    """Name the columns of a part of a fold in the order of its flattened axes.

    ``""`` is one that does not exist.

    Args:
        fold: The fold.
        part: One of `PARTS`.

    Returns:
        Names; none for tensors, whose elements have none, and for a matrix that is not there.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import Fold
        >>> from lumin_plugin_hep.momenta import column_names
        >>> column_names(Fold({"inputs": np.zeros((1, 1))}, input_feats=["tau_px"]), "inputs")
        ['tau_px']
    """
    if part == "inputs":
        return fold.input_feats[: fold.n_cont]
    if part == "targets":
        return fold.targ_feats
    if fold.matrix is None or fold.matrix_feats is None:
        return []
    present = iter(fold.matrix_feats["present_feats"])
    return ["" if missing else next(present) for missing in fold.matrix_feats["missing"]]


@contextmanager
def in_gev(fold: Fold, part: str, columns: Sequence[int]) -> Iterator[Sequence[Array]]:
    """Give columns as before the preprocessing.

    At the end of the block, what became of them is put back.

    Args:
        fold: The fold; changed.
        part: One of `PARTS`.
        columns: Which, by their place in `column_names`.

    Yields:
        The columns, shape ``(n,)`` each, to be changed in place; float64 where there is a
        preprocessing.

    Raises:
        DataError: If the values are no floats, or the preprocessing cannot be undone for them.
        ConfigError: If the preprocessing does not give back the columns that there are.
        ShapeError: If it was fitted to another number of columns, or targets are tensors.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import Fold
        >>> from lumin_plugin_hep.momenta import in_gev
        >>> fold = Fold({"inputs": np.array([[1.0, 2.0]])}, input_feats=["tau_px", "tau_py"])
        >>> with in_gev(fold, "inputs", [1]) as (py,):
        ...     py *= -1
        >>> fold.flat
        array([[ 1., -2.]])
    """
    stored, chain = _values(fold, part), fold.pipes(part)
    if part == "matrix" and not chain:
        _scaling(fold.pipes("inputs"), fold.n_cont)  # refused where it was fitted to the matrix's columns too
    if not chain:
        yield [stored[:, column] for column in columns]
        return
    exists = [i for i, name in enumerate(column_names(fold, part)) if name]
    places, scaling = [exists.index(column) for column in columns], _scaling(chain, len(exists))
    if scaling is not None:
        with _unscaled(stored, columns, *(values[places] for values in scaling)) as rows:
            yield rows
        return
    everything = _undone(chain, stored[:, exists].astype(np.float64), part)
    yield [everything[:, place] for place in places]
    stored[:, exists] = apply_chain(chain, everything)


@contextmanager
def _unscaled(stored: Array, columns: Sequence[int], offset: Array, scale: Array) -> Iterator[list[Array]]:
    rows = [stored[:, column].astype(np.float64) for column in columns]  # one by one they stay in the cache
    for i, row in enumerate(rows):
        row *= scale[i]
        row += offset[i]
    yield rows
    for i, row in enumerate(rows):
        stored[:, columns[i]] = (row - offset[i]) / scale[i]


def _values(fold: Fold, part: str) -> Array:
    """Return a part of a fold as ``(n, F)``, whose changes change the fold.

    It is column by column in memory, for speed.
    """
    if part == "targets":
        values: Array = fold["targets"]
    elif part == "inputs":
        flat = np.asfortranarray(fold.flat)
        fold["inputs"] = flat if fold.matrix is None else (flat, fold.matrix)
        values = flat[:, : fold.n_cont]
    else:
        matrix: Any = fold.matrix
        values = np.asfortranarray(matrix.reshape(len(matrix), int(np.prod(matrix.shape[1:]))))
        fold["inputs"] = (fold.flat, values.reshape(matrix.shape))  # splitting an axis gives a view
    if values.ndim != 2:
        msg = f"vectors among {part} need one column a coordinate, shape (n, F), got shape {values.shape}"
        raise ShapeError(msg)
    if values.dtype.kind != "f":
        msg = f"vectors among {part} must be floats to be turned, got {values.dtype}; write them with a float targ_type"
        raise DataError(msg)
    return values


def _scaling(chain: Sequence[object], n: int) -> tuple[Array, Array] | None:
    """Return offset and scale of every column, if a chain is made of scalers alone.

    They obey ``p = x * scale + offset``.
    """
    try:
        steps = as_chain(list(chain))
    except ConfigError:  # a step of others that serves in memory
        return None
    offset, scale = np.zeros(n), np.ones(n)
    for step in reversed(steps):
        if registry.qualified_name(type(step)) != "tabular/standard_scaler":
            return None
        shift, stretch = _learned(step, n)
        offset, scale = offset * stretch + shift, scale * stretch
    return offset, scale


def _learned(step: Transform, n: int) -> tuple[Array, Array]:
    config = step.to_config()
    shift = np.asarray(config["mean"]) if config["with_mean"] else np.zeros(n)
    stretch = np.asarray(config["scale"]) if config["with_std"] else np.ones(n)
    if shift.shape != (n,) or stretch.shape != (n,):
        msg = f"the recorded scaler was fitted to {max(shift.size, stretch.size)} columns, but there are {n}; give "
        msg += 'each part its own: preprocessing={"inputs": ..., "matrix": ..., "targets": ...}'
        raise ShapeError(msg)
    return shift, stretch


def _undone(chain: Sequence[Pipe], values: Array, part: str) -> Array:
    try:
        raw = np.array(invert_chain(chain, values), dtype=np.float64, order="F")
    except LuminError:
        raise
    except ValueError as error:
        msg = f"the preprocessing of {part} cannot be undone, so that vectors cannot be turned in GeV: {error}"
        raise DataError(msg) from error
    if raw.shape != values.shape:
        msg = f"the preprocessing of {part} was given {raw.shape[-1]} columns and gave {values.shape[-1]}: which are "
        msg += "the momenta cannot be known; keep all components, or store momenta that are not mixed"
        raise ConfigError(msg)
    return raw
