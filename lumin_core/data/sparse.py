"""Sparse arrays as fold files hold them: COO.

Row 0 has the values, row 1 the event, further rows the other coordinates. The last event always has
an entry, if need be a zero, since LUMIN takes the number of events from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeGuard

import numpy as np

from lumin_core.data.numbers import as_numbers
from lumin_core.errors import DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence


class SparseArray(Protocol):
    """A COO array, as of the package ``sparse``."""

    @property
    def coords(self) -> np.ndarray:
        """Coordinates of the entries, shape ``(ndim, n_entries)``."""

    @property
    def data(self) -> np.ndarray:
        """Entries, shape ``(n_entries,)``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""


def is_sparse(values: object) -> TypeGuard[SparseArray]:
    """Tell whether this is a COO array, as of the package ``sparse``.

    Such an array has ``coords``, ``data`` and ``shape``.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.sparse import is_sparse
        >>> is_sparse(np.zeros(3))
        False
    """
    coords = getattr(values, "coords", None)  # those of xarray are a mapping
    return isinstance(coords, np.ndarray | tuple | list) and hasattr(values, "data") and hasattr(values, "shape")


def select_events(values: np.ndarray | SparseArray, events: np.ndarray) -> np.ndarray | Coo:
    """Select events of an array, dense or sparse.

    Args:
        values: Shape ``(n, ...)``.
        events: Indices, in the order wanted.

    Returns:
        The same for these events; a sparse array as `Coo`.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.sparse import select_events
        >>> select_events(np.array([5, 6, 7]), np.array([2, 0]))
        array([7, 5])
    """
    if isinstance(values, np.ndarray):
        selected: np.ndarray = values[events]
        return selected
    coords = np.asarray(values.coords)
    place = np.full(values.shape[0], -1)
    place[events] = np.arange(len(events))
    kept = np.flatnonzero(place[coords[0]] >= 0)
    coords = np.vstack((place[coords[0, kept]], coords[1:, kept]))
    return Coo(coords, entries(values)[kept], (len(events), *values.shape[1:]))


def entries(values: SparseArray) -> np.ndarray:
    """Return the entries of a sparse array as numbers.

    Raises:
        DataError: If they are no numbers, or what stands between them is not zero.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.sparse import Coo, entries
        >>> entries(Coo(np.array([[0], [1]]), np.ma.masked_equal([5], 5), (2, 2)))
        array([nan])
    """
    fill = getattr(values, "fill_value", 0)
    if fill != 0:
        raise DataError(f"a sparse array must be 0 where it has no entry, got fill_value={fill}; convert it first")
    return as_numbers(values.data, "the entries of a sparse array")


def checked(values: SparseArray) -> Coo:
    """Return a sparse array whose entries are numbers, one at a place within its shape.

    Raises:
        ShapeError: If there are not as many coordinates as entries and axes, or some are outside.
        DataError: If they are fractional, or two entries are at one place; as of `entries`, too.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.sparse import Coo, checked
        >>> checked(Coo(np.array([[0, 0], [1, 1]]), np.array([5.0, 6.0]), (2, 2)))
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: a sparse array has several entries at (0, 1); add them up first
    """
    data, shape = entries(values), tuple(values.shape)
    given = as_numbers(values.coords, "the coordinates of a sparse array")
    if given.shape != (len(shape), *data.shape) or data.ndim != 1:
        raise ShapeError(f"{data.shape} entries of a sparse array need {len(shape)} coordinates, got {given.shape}")
    coords = given.astype(np.int64)
    if (coords != given).any():
        raise DataError(f"coordinates of a sparse array must be whole numbers, got {given[coords != given][0]}")
    if coords.size and ((coords < 0).any() or (coords >= np.array(shape)[:, None]).any()):
        raise ShapeError(f"a sparse array of shape {shape} has coordinates outside of it")
    places, times = np.unique(np.ravel_multi_index(tuple(coords), shape) if coords.size else [], return_counts=True)
    if (times > 1).any():
        first = tuple(int(i) for i in np.unravel_index(places[times > 1][0], shape))
        raise DataError(f"a sparse array has several entries at {first}; add them up first")
    return Coo(coords, data, shape)


class Coo(NamedTuple):
    """A sparse array: the least that `is_sparse` asks for.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.sparse import Coo
        >>> Coo(np.array([[0], [1]]), np.array([5.0]), (2, 2)).shape
        (2, 2)
    """

    coords: np.ndarray
    data: np.ndarray
    shape: tuple[int, ...]


def to_coo(values: np.ndarray | SparseArray) -> np.ndarray:
    """Convert to COO as fold files hold it.

    Args:
        values: Dense array of shape ``(n, ...)``, or a sparse one with ``coords``, ``data``
            and ``shape``.

    Returns:
        Shape ``(1 + ndim, n_entries)``, float64: values, events in ascending order,
        further coordinates.

    Raises:
        ShapeError: If there are no axes beside the events', or as of `checked`.
        DataError: As of `checked`.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.sparse import to_coo
        >>> to_coo(np.array([[0.0, 5.0], [0.0, 0.0]]))
        array([[5., 0.],
               [0., 1.],
               [1., 0.]])
    """
    if len(values.shape) < 2:
        raise ShapeError(f"a sparse tensor must have shape (n, ...), got {tuple(values.shape)}")
    if is_sparse(values):
        coords, data, _ = checked(values)
        order = np.argsort(coords[0], kind="stable")
        coords, data = coords[:, order], data[order]
    else:
        dense = np.asarray(values)
        coords = np.stack(np.nonzero(dense))
        data = dense[tuple(coords)]
    return _anchored(np.vstack((data, coords)).astype(np.float64), values.shape)


def _anchored(coo: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Add a zero in the last event where it is empty."""
    n = shape[0]
    if 0 in shape or (coo.shape[1] and coo[1, -1] == n - 1):
        return coo
    last = np.zeros((coo.shape[0], 1))
    last[1] = n - 1
    return np.hstack((coo, last))


def from_coo(coo: np.ndarray, n: int, shape: Sequence[int], dtype: np.dtype | type = np.float32) -> np.ndarray:
    """Convert COO to a dense array.

    Args:
        coo: As from `to_coo`.
        n: Number of events, that of ``inputs``.
        shape: Shape of one event.
        dtype: Of the result.

    Returns:
        Shape ``(n, *shape)``.

    Raises:
        ShapeError: If a coordinate is outside, or the number of axes differs.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.sparse import from_coo
        >>> from_coo(np.array([[5.0], [0.0], [1.0]]), 2, (2,)).tolist()
        [[0.0, 5.0], [0.0, 0.0]]
    """
    full = (n, *shape)
    if coo.ndim != 2 or coo.shape[0] != 1 + len(full):
        raise ShapeError(f"sparse data of shape {full} need {1 + len(full)} rows, got an array of shape {coo.shape}")
    coords = coo[1:].astype(np.int64)
    if coords.size and ((coords < 0).any() or (coords >= np.array(full)[:, None]).any()):
        raise ShapeError(f"sparse data have coordinates outside of shape {full}")
    dense = np.zeros(full, dtype=dtype)
    if coords.size:  # entries of other programs may share a place: they count together, as in LUMIN
        np.add.at(dense.reshape(-1), np.ravel_multi_index(tuple(coords), full), coo[0].astype(dtype))
    return dense
