"""Vectors in columns.

Which columns one has, its momentum from either system, new columns beside them. Columns come as a
data frame, as a mapping of names to arrays or tensors, or as an array of records, of which a frame
is made; what is masked or NA in them is NaN. A vector ``tau`` is ``tau_px``,
``tau_py``, ``tau_pz`` or ``tau_pt`` (also ``tau_pT``), ``tau_eta``, ``tau_phi`` [GeV, rad], and for
its energy ``tau_E`` or ``tau_mass``. One without ``pz`` and ``eta``, such as missing momentum, lies
in the transverse plane. Where both systems are there, the Cartesian columns count. Values are
paired by row, whatever the index of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, TypeVar, cast

import numpy as np
import pandas as pd
from torch import Tensor

from lumin_core.checks import input_hint
from lumin_core.data import as_frame, as_numbers
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep import formulas
from lumin_plugin_hep.precision import in_doubles, is_real

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lumin_plugin_hep.precision import Array, Values

Columns: TypeAlias = "pd.DataFrame | Mapping[str, Values]"
C = TypeVar("C", bound=Columns)


def is_momenta(values: object) -> TypeGuard[Array]:
    """Tell an array or a tensor of momenta from columns.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import is_momenta
        >>> is_momenta(np.zeros((1, 3))), is_momenta({"tau_px": [1.0]})
        (True, False)
    """
    return isinstance(values, Tensor) or (isinstance(values, np.ndarray) and values.dtype.names is None)


def named(df: C, *, inplace: bool = False) -> C:
    """Return columns by name as they came, those of an array of records as a frame.

    Args:
        df: The columns.
        inplace: Whether they are to be changed.

    Raises:
        DataError: If it is anything else, such as a frame of another library, with the line that
            converts it.
        ConfigError: If an array of records is to be changed.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import named
        >>> named(np.array([(3.0, 4.0)], dtype=[("tau_px", "f8"), ("tau_py", "f8")]))
           tau_px  tau_py
        0     3.0     4.0
    """
    return df if isinstance(df, Mapping) else cast("C", as_pandas(cast("pd.DataFrame", df), inplace=inplace))


def as_pandas(df: Columns, *, inplace: bool = False) -> pd.DataFrame:
    """Return columns by name as a data frame; arguments and errors as for `named`.

    Example:
        >>> from lumin_plugin_hep.vector_columns import as_pandas
        >>> as_pandas({"tau_px": [3.0]})
           tau_px
        0     3.0
    """
    frame = as_frame(df)
    if inplace and frame is not df:
        raise ConfigError(f"inplace=True changes a data frame of pandas, got {type(df).__name__}; leave inplace out")
    return frame


def find(df: Columns, vec: str, coordinate: str) -> str | None:
    """Return the name of the column of a coordinate, or ``None``.

    The case of the coordinate does not matter.

    Example:
        >>> from lumin_plugin_hep.vector_columns import find
        >>> find({"tau_pT": [1.0]}, "tau", "pt"), find({"tau_pT": [1.0]}, "tau", "eta")
        ('tau_pT', None)
    """
    exact, prefix = f"{vec}_{coordinate}", f"{vec}_"
    if exact in df:
        return exact
    others = (name for name in map(str, df.keys()) if name.startswith(prefix))
    return next((name for name in others if name[len(prefix) :].lower() == coordinate.lower()), None)


def take(df: Columns, name: str) -> Values:
    """Give a column: an array, NaN where a value is missing, or a tensor or number that is one.

    Raises:
        DataError: If it is missing, or holds no numbers.
        ShapeError: If several have the name.

    Example:
        >>> from lumin_plugin_hep.vector_columns import take
        >>> take({"tau_px": [1.0]}, "tau_pz")
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: there is no column 'tau_pz'; did you mean 'tau_px'?
    """
    if name not in df:
        raise DataError(f"there is no column {name!r}{input_hint(name, df.keys())}")
    values = df[name]
    if isinstance(values, pd.DataFrame):
        raise ShapeError(f"there are {values.shape[1]} columns {name!r}; rename or drop all but one")
    return values if is_real(values) or isinstance(values, int | float) else as_numbers(values, f"the column {name!r}")


def coordinate(df: Columns, vec: str, name: str) -> Values:
    """Give the column of a coordinate; as `take`.

    Example:
        >>> from lumin_plugin_hep.vector_columns import coordinate
        >>> coordinate({"tau_pT": [1.0]}, "tau", "pt")
        array([1.])
    """
    return take(df, find(df, vec, name) or f"{vec}_{name}")


def is_cartesian(df: Columns, vec: str) -> bool:
    """Tell in which system a vector is given.

    Raises:
        DataError: If it is in neither.

    Example:
        >>> from lumin_plugin_hep.vector_columns import is_cartesian
        >>> (
        ...     is_cartesian({"tau_px": [1.0], "tau_py": [1.0]}, "tau"),
        ...     is_cartesian({"m_pt": [1.0], "m_phi": [0.0]}, "m"),
        ... )
        (True, False)
    """
    if find(df, vec, "px") and find(df, vec, "py"):
        return True
    if find(df, vec, "pt") and find(df, vec, "phi"):
        return False
    names = [str(name) for name in df.keys()]  # noqa: SIM118 - a frame's keys are its columns
    known = dict.fromkeys(name.rpartition("_")[0] for name in names if name.endswith(("_px", "_pt", "_pT")))
    raise DataError(
        f"the vector {vec!r} needs columns '{vec}_px', '{vec}_py' or '{vec}_pt', '{vec}_phi', got "
        f"{[name for name in names if name.startswith(f'{vec}_')]}{input_hint(vec, [k for k in known if k != vec])}"
    )


def sources(df: Columns, vec: str, *names: str) -> list[Values]:
    """Return the columns of a vector's momentum.

    Further ones of it follow, where there are such.

    Example:
        >>> from lumin_plugin_hep.vector_columns import sources
        >>> sources({"tau_px": [1.0], "tau_py": [2.0], "tau_mass": [1.8]}, "tau", "mass")
        [array([1.]), array([2.]), array([1.8])]
    """
    system = ("px", "py", "pz") if is_cartesian(df, vec) else ("pt", "eta", "phi")
    return [coordinate(df, vec, name) for name in (*system, *names) if find(df, vec, name)]


def cartesian(df: Columns, vec: str) -> tuple[Values, Values, Values]:
    """Return ``(px, py, pz)`` of a vector: columns, or doubles from the other system.

    ``pz`` is 0 where it has none.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import cartesian
        >>> cartesian({"met_pt": np.array([2.0]), "met_phi": np.array([0.0])}, "met")
        (array([2.]), array([0.]), array([0.]))
    """
    if is_cartesian(df, vec):
        return coordinate(df, vec, "px"), coordinate(df, vec, "py"), _along(df, vec, "pz")
    momenta: tuple[Values, Values, Values] = in_doubles(formulas.cartesian, *collider(df, vec), rounded=False)
    return momenta


def collider(df: Columns, vec: str) -> tuple[Values, Values, Values]:
    """Return ``(pt, eta, phi)`` of a vector: columns, or doubles from the other system.

    ``eta`` is 0 where it has none.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import collider
        >>> collider({"met_px": np.array([0.0]), "met_py": np.array([2.0])}, "met")
        (array([2.]), array([0.]), array([1.57079633]))
    """
    if not is_cartesian(df, vec):
        return coordinate(df, vec, "pt"), _along(df, vec, "eta"), coordinate(df, vec, "phi")
    momenta: tuple[Values, Values, Values] = in_doubles(formulas.collider, *cartesian(df, vec), rounded=False)
    return momenta


def energy(df: Columns, vec: str) -> Values:
    """Return the energy of a vector, in doubles, from its momentum and mass.

    Without a mass it is massless.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import energy
        >>> energy(
        ...     {"tau_px": np.array([3.0]), "tau_py": np.array([0.0]), "tau_mass": np.array([4.0])},
        ...     "tau",
        ... )
        array([5.])
    """
    mass = coordinate(df, vec, "mass") if find(df, vec, "mass") else 0.0
    result: Values = in_doubles(formulas.energy, *cartesian(df, vec), mass, rounded=False)
    return result


def four_momentum(df: Columns, vec: str) -> tuple[Values, Values, Values, Values]:
    """Give ``(px, py, pz, E)`` of a vector; the energy is its column, else as of `energy`.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import four_momentum
        >>> four_momentum({"tau_px": np.array([3.0]), "tau_py": np.array([4.0])}, "tau")
        (array([3.]), array([4.]), 0.0, array([5.]))
    """
    return *cartesian(df, vec), coordinate(df, vec, "E") if find(df, vec, "E") else energy(df, vec)


def momentum(df: Columns | None, vec: str | Array, n: int) -> tuple[tuple[Values, ...], list[Values]]:
    """Give the components of momenta: of the vector of that name, or of an array.

    Args:
        df: The columns; needed for a name.
        vec: A vector's name, or Cartesian momenta, shape ``(*, 3)`` or ``(*, 4)``.
        n: How many components, 3 or 4; an array may have the energy beyond those.

    Returns:
        The components, shape ``(*)`` each, and the values that tell their precision.

    Raises:
        ConfigError: If there is a name but no frame.
        ShapeError: If the momenta are of another shape.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import momentum
        >>> momentum(None, np.array([[3.0, 4.0, 0.0, 5.0]]), 3)[0]
        (array([3.]), array([4.]), array([0.]))
    """
    if isinstance(vec, str):
        if df is None:
            raise ConfigError(f"{vec!r} names columns: pass df= with them, or give momenta as an array")
        df = named(df)
        return (four_momentum if n == 4 else cartesian)(df, vec), sources(df, vec, *(["E", "mass"] if n == 4 else []))
    return split(vec, "(px, py, pz, E), shape (*, 4)" if n == 4 else "(px, py, pz), shape (*, 3)", {n, 4})[:n], [vec]


def split(momenta: Array, what: str, lengths: Collection[int]) -> tuple[Array, ...]:
    """Split the last axis of momenta.

    Raises:
        ShapeError: If these are no array or tensor, or the last axis is of another length.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.vector_columns import split
        >>> split(np.array([[3.0, 4.0, 0.0]]), "(px, py, pz)", [3])
        (array([3.]), array([4.]), array([0.]))
    """
    shape = tuple(getattr(momenta, "shape", ()))
    if not is_momenta(momenta) or not shape or shape[-1] not in lengths:
        got = f"shape {shape}" if is_momenta(momenta) else type(momenta).__name__
        raise ShapeError(f"momenta must be an array or a tensor of {what}, got {got}")
    return tuple(momenta[..., i] for i in range(shape[-1]))


def put(df: C, new: Mapping[str, Array], *, drop: Sequence[str] = (), inplace: bool = False) -> C | None:
    """Add columns, or replace those of the same name, by row.

    Args:
        df: The columns; changed with `inplace` alone.
        new: Names and values, in order.
        drop: Columns to remove.
        inplace: Whether to change `df`.

    Returns:
        The columns, of the kind that came, or ``None`` with `inplace`.

    Example:
        >>> from lumin_plugin_hep.vector_columns import put
        >>> put({"a": 1, "b": 2}, {"c": 3}, drop=["a"])
        {'b': 2, 'c': 3}
    """
    df = named(df, inplace=inplace)
    if not inplace:
        if isinstance(df, pd.DataFrame):
            return cast("C", df.assign(**cast("Mapping[str, np.ndarray]", new)).drop(columns=list(drop)))
        return cast("C", {name: values for name, values in {**df, **new}.items() if name not in drop})
    changed = cast("pd.DataFrame | dict[str, Values]", df)
    for name, values in new.items():
        _set(changed, name, values)
    for name in drop:
        del changed[name]
    return None


def _set(df: pd.DataFrame | dict[str, Values], name: str, values: Array) -> None:
    """Set a column.

    Not by ``df[name] = ...``, of which older pandas warns where the frame is a selection.
    """
    if not isinstance(df, pd.DataFrame):
        df[name] = values
    elif name in df:
        df.isetitem(list(df.columns).index(name), cast("np.ndarray", values))
    else:
        df.insert(df.shape[1], name, cast("pd.Series", values))


def _along(df: Columns, vec: str, name: str) -> Values:
    return coordinate(df, vec, name) if find(df, vec, name) else 0.0
