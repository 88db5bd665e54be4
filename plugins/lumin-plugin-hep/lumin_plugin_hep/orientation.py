r"""Orientation of events in data frames.

They are rotated and flipped, as wholes, until a reference object lies where it should. Collisions
of unpolarised beams look alike from all sides; what a network need not learn, it need not be shown.

.. math:: \phi \to \phi - \phi_\text{ref}; \qquad
    p_z \to -p_z \text{ if } p_z^\text{ref} < 0; \qquad
    p_y \to -p_y \text{ if } p_y^{(1)} < p_y^{(0)}

An event turns with all its vectors, the references and those of the truth included, in Cartesian
and in collider coordinates. A missing vector (NaN) stays missing, and an event whose reference is
missing stays as it is. Only columns of vectors are touched, and columns keep their order. All
functions give another data frame, or with ``inplace`` change the one that came and give ``None``. A
dict of columns or an array of records is taken as a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NoReturn, cast, overload

import numpy as np

from lumin_core.checks import as_list, did_you_mean
from lumin_core.data import as_numbers
from lumin_core.errors import ConfigError
from lumin_plugin_hep.coordinates import to_cartesian
from lumin_plugin_hep.momenta import check_pairs, check_vectors, find_vectors, is_vector, select_vectors, wrap_phi
from lumin_plugin_hep.vector_columns import as_pandas, put, take

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    Array = np.ndarray


@overload
def fix_event_phi(
    df: pd.DataFrame, ref_vec: str, *, vecs: str | Sequence[str] | None = None, inplace: Literal[False] = False
) -> pd.DataFrame: ...
@overload
def fix_event_phi(
    df: pd.DataFrame, ref_vec: str, *, vecs: str | Sequence[str] | None = None, inplace: bool
) -> pd.DataFrame | None: ...
def fix_event_phi(
    df: pd.DataFrame, ref_vec: str, *, vecs: str | Sequence[str] | None = None, inplace: bool = False
) -> pd.DataFrame | None:
    """Rotate events so that the reference has phi 0.

    Args:
        df: Events; columns ``{vec}_px, _py`` [GeV] or ``{vec}_phi`` [rad], or both.
        ref_vec: Name of the reference.
        vecs: The vectors of the event beside the references; by default all that are found.
        inplace: Whether to change the frame that came, rather than give another.

    Returns:
        The events, those without reference as they were; ``None`` with `inplace`.

    Raises:
        ConfigError: If there is no such vector, or some vector cannot be rotated.
        DataError: If a column holds no numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import fix_event_phi
        >>> df = pd.DataFrame(
        ...     {"tau_pt": [30.0], "tau_phi": [3.0], "met_px": [0.0], "met_py": [5.0]}
        ... )
        >>> fix_event_phi(df, "tau").round(3).values.tolist()
        [[30.0, 0.0, 0.706, -4.95]]
    """
    df = as_pandas(df, inplace=inplace)
    vectors = _vectors(df, {"px", "py", "phi"}, vecs, ref_vec)
    check_pairs(vectors)
    angle, new = _azimuth(df, ref_vec), {}
    there, cos, sin = ~np.isnan(angle), np.cos(angle), np.sin(angle)
    for vec, vector in vectors.items():
        if "phi" in vector:
            new[vector["phi"]] = _where(there, _read(df, vector["phi"]) - angle, df[vector["phi"]], is_angle=True)
        if "px" in vector:
            px, py = _read(df, vector["px"]), _read(df, vector["py"])
            new[vector["px"]] = _where(there, px * cos + py * sin, df[vector["px"]])
            turned = np.zeros_like(py) if vec == ref_vec else py * cos - px * sin
            new[vector["py"]] = _where(there, turned, df[vector["py"]])
    return _put(df, new, inplace=inplace)


@overload
def fix_event_z(
    df: pd.DataFrame, ref_vec: str, *, vecs: str | Sequence[str] | None = None, inplace: Literal[False] = False
) -> pd.DataFrame: ...
@overload
def fix_event_z(
    df: pd.DataFrame, ref_vec: str, *, vecs: str | Sequence[str] | None = None, inplace: bool
) -> pd.DataFrame | None: ...
def fix_event_z(
    df: pd.DataFrame, ref_vec: str, *, vecs: str | Sequence[str] | None = None, inplace: bool = False
) -> pd.DataFrame | None:
    """Flip events so that the reference goes forwards: its ``pz`` or ``eta`` is not negative.

    Args:
        df: Events; columns ``{vec}_pz`` [GeV] or ``{vec}_eta``, or both.
        ref_vec: Name of the reference.
        vecs: The vectors of the event beside the references; by default all that are found.
        inplace: Whether to change the frame that came, rather than give another.

    Returns:
        The events, those without reference as they were; ``None`` with `inplace`.

    Raises:
        ConfigError: If there is no such vector.
        DataError: If a column holds no numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import fix_event_z
        >>> df = pd.DataFrame(
        ...     {
        ...         "tau_pt": [30.0],
        ...         "tau_eta": [-1.0],
        ...         "jet_px": [1.0],
        ...         "jet_py": [0.0],
        ...         "jet_pz": [5.0],
        ...     }
        ... )
        >>> fix_event_z(df, "tau").values.tolist()
        [[30.0, 1.0, 1.0, 0.0, -5.0]]
    """
    df = as_pandas(df, inplace=inplace)
    vectors = _vectors(df, {"pz", "eta"}, vecs, ref_vec)
    return _put(df, _flipped(df, vectors, ("pz", "eta"), _along_z(df, ref_vec) < 0), inplace=inplace)


@overload
def fix_event_y(
    df: pd.DataFrame,
    ref_vec_0: str,
    ref_vec_1: str,
    *,
    vecs: str | Sequence[str] | None = None,
    inplace: Literal[False] = False,
) -> pd.DataFrame: ...
@overload
def fix_event_y(
    df: pd.DataFrame, ref_vec_0: str, ref_vec_1: str, *, vecs: str | Sequence[str] | None = None, inplace: bool
) -> pd.DataFrame | None: ...
def fix_event_y(
    df: pd.DataFrame, ref_vec_0: str, ref_vec_1: str, *, vecs: str | Sequence[str] | None = None, inplace: bool = False
) -> pd.DataFrame | None:
    """Flip events so that the second reference has no lower ``py`` than the first.

    After `fix_event_phi` the first has none, and the second comes to have positive phi.

    Args:
        df: Events; columns ``{vec}_py`` [GeV], or ``{vec}_pt`` [GeV] and ``{vec}_phi``
            [rad], or both.
        ref_vec_0: Name of the first reference.
        ref_vec_1: Name of the second.
        vecs: The vectors of the event beside the references; by default all that are found.
        inplace: Whether to change the frame that came, rather than give another.

    Returns:
        The events, those without either reference as they were; ``None`` with `inplace`.

    Raises:
        ConfigError: If there is no such vector, or its ``py`` is not known.
        DataError: If a column holds no numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import fix_event_y
        >>> df = pd.DataFrame({"tau_px": [1.0], "tau_py": [0.0], "lep_px": [1.0], "lep_py": [-2.0]})
        >>> fix_event_y(df, "tau", "lep").abs().values.tolist()
        [[1.0, 0.0, 1.0, 2.0]]
    """
    df = as_pandas(df, inplace=inplace)
    vectors = _vectors(df, {"py", "phi"}, vecs, ref_vec_0, ref_vec_1)
    cut = _py(df, ref_vec_1) < _py(df, ref_vec_0)
    return _put(df, _flipped(df, vectors, ("py", "phi"), cut), inplace=inplace)


@overload
def event_to_cartesian(
    df: pd.DataFrame, drop: bool = False, ignore: str | Sequence[str] | None = None, *, inplace: Literal[False] = False
) -> pd.DataFrame: ...
@overload
def event_to_cartesian(
    df: pd.DataFrame, drop: bool = False, ignore: str | Sequence[str] | None = None, *, inplace: bool
) -> pd.DataFrame | None: ...
def event_to_cartesian(
    df: pd.DataFrame, drop: bool = False, ignore: str | Sequence[str] | None = None, *, inplace: bool = False
) -> pd.DataFrame | None:
    """Give all vectors Cartesian coordinates.

    Args:
        df: Events; columns ``{vec}_pt`` [GeV], ``_phi`` [rad], and ``_eta`` where there is one.
        drop: Whether to drop these.
        ignore: Vectors to leave as they are.
        inplace: Whether to change the frame that came, rather than give another.

    Returns:
        The events with columns ``{vec}_px, _py`` and, where there is ``eta``, ``_pz`` [GeV], after
        the others and in the order of the vectors; ``None`` with `inplace`.

    Raises:
        ConfigError: If ``ignore`` names what is no vector.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import event_to_cartesian
        >>> event_to_cartesian(pd.DataFrame({"met_pt": [5.0], "met_phi": [0.0]}), drop=True)
           met_px  met_py
        0     5.0     0.0
    """
    df = as_pandas(df, inplace=inplace)
    found = find_vectors(df.columns)
    check_vectors(as_list(ignore), found, "columns")
    frame = df if inplace else df.copy()
    for vec, columns in found.items():
        if {"pt", "phi"} <= columns.keys() and vec not in as_list(ignore):
            to_cartesian(frame, vec, drop=drop, inplace=True)
    return None if inplace else frame


def proc_event(
    df: pd.DataFrame,
    fix_phi: bool = False,
    fix_y: bool = False,
    fix_z: bool = False,
    use_cartesian: bool = False,
    ref_vec_0: str | None = None,
    ref_vec_1: str | None = None,
    keep_feats: str | Sequence[str] | None = None,
    default_vals: float | Sequence[float] | None = None,
    *,
    vecs: str | Sequence[str] | None = None,
    inplace: bool = False,
) -> pd.DataFrame | None:
    """Orient events, convert their vectors, and drop what is then constant.

    In this order: infinities and default values in the columns of vectors become NaN;
    `fix_event_phi`, `fix_event_y`, `fix_event_z`; `event_to_cartesian`; after a rotation the
    reference's ``phi`` or ``py``, now 0, goes.

    Args:
        df: Events.
        fix_phi: Whether to rotate the first reference to phi 0.
        fix_y: Whether to flip the second reference to no lower ``py`` than the first.
        fix_z: Whether to flip the first reference forwards.
        use_cartesian: Whether to replace pt, eta and phi by Cartesian coordinates.
        ref_vec_0: Name of the first reference.
        ref_vec_1: Name of the second.
        keep_feats: Columns to keep, also where they would be dropped, with the values of before the
            orientation.
        default_vals: Values that stand for missing ones, in the columns of vectors alone.
        vecs: The vectors of the event beside the references; by default all that are found.
        inplace: Whether to change the frame that came, rather than give another.

    Returns:
        The events; ``None`` with `inplace`.

    Raises:
        ConfigError: If a reference is needed and not given, or there is no such vector or column.
        DataError: If a column of a vector, or `default_vals`, holds anything but numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import proc_event
        >>> df = pd.DataFrame(
        ...     {
        ...         "tau_pt": [30.0],
        ...         "tau_phi": [2.0],
        ...         "met_pt": [5.0],
        ...         "met_phi": [1.0],
        ...         "label": [-999],
        ...     }
        ... )
        >>> proc_event(
        ...     df, fix_phi=True, fix_y=True, ref_vec_0="tau", ref_vec_1="met", default_vals=[-999]
        ... )
           tau_pt  met_pt  met_phi  label
        0    30.0     5.0      1.0   -999
    """
    df, keep = as_pandas(df, inplace=inplace), as_list(keep_feats)
    if unknown := [name for name in keep if name not in df.columns]:
        msg = f"keep_feats: there is no column {unknown[0]!r}{did_you_mean(unknown[0], df.columns)}"
        raise ConfigError(msg)
    if vecs is not None:
        vecs = [*as_list(vecs), *(ref for ref in (ref_vec_0, ref_vec_1) if ref is not None)]
        check_vectors(vecs, _names(df), "columns")
    frame = df.copy()
    _clear(frame, as_numbers(as_list(default_vals), "default_vals").astype(np.float64), vecs)
    kept = frame[keep].copy()
    if fix_phi:
        fix_event_phi(frame, _needed(ref_vec_0, "ref_vec_0", "fix_phi"), vecs=vecs, inplace=True)
    if fix_y:
        refs = _needed(ref_vec_0, "ref_vec_0", "fix_y"), _needed(ref_vec_1, "ref_vec_1", "fix_y")
        fix_event_y(frame, *refs, vecs=vecs, inplace=True)
    if fix_z:
        fix_event_z(frame, _needed(ref_vec_0, "ref_vec_0", "fix_z"), vecs=vecs, inplace=True)
    dropped = _converted(frame, vecs) if use_cartesian else []
    if fix_phi:
        dropped += [name for c, name in _names(frame)[str(ref_vec_0)].items() if c in ("phi", "py")]
    frame = frame.drop(columns=[name for name in dict.fromkeys(dropped) if name not in keep])
    put(frame, {name: kept[name].array for name in keep}, inplace=True)
    if not inplace:
        return frame
    _move(frame, df)
    return None


def _converted(df: pd.DataFrame, vecs: Sequence[str] | None) -> list[str]:
    """Give vectors Cartesian coordinates, in place, and the names of those that they had."""
    ignored = [] if vecs is None else [vec for vec in _names(df) if vec not in vecs]
    collider = [v for vec, v in _names(df).items() if {"pt", "phi"} <= v.keys() and vec not in ignored]
    event_to_cartesian(df, ignore=ignored, inplace=True)
    return [vector[c] for vector in collider for c in ("pt", "eta", "phi") if c in vector]


def _names(df: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Give the columns of every vector by their names."""
    return {vec: {c: df.columns[i] for c, i in found.items()} for vec, found in find_vectors(df.columns).items()}


def _vectors(
    df: pd.DataFrame, changed: set[str], vecs: str | Sequence[str] | None, *refs: str
) -> dict[str, dict[str, str]]:
    """Give the vectors that change."""
    names = _names(df)
    check_vectors([*refs, *as_list(vecs)], names, "columns")
    return select_vectors(names, changed, None if vecs is None else [*as_list(vecs), *refs])


def _read(df: pd.DataFrame, name: str) -> Array:
    return cast("Array", take(df, name)).astype(np.float64)


def _put(df: pd.DataFrame, new: Mapping[str, Array], *, inplace: bool) -> pd.DataFrame | None:
    return put(df, new, inplace=inplace)


def _where(cut: Array, values: Array, column: pd.Series, *, is_angle: bool = False) -> Array:
    """Return values where the cut holds, else the column's, in its own precision.

    Angles are in [-pi, pi).
    """
    new = values.astype(_precision(column))
    old = as_numbers(column).astype(new.dtype)
    return np.where(cut, wrap_phi(new) if is_angle else new, old)


def _precision(column: pd.Series) -> np.dtype:
    dtype = column.dtype
    return dtype if isinstance(dtype, np.dtype) and dtype.kind == "f" else np.dtype(np.float64)


def _flipped(
    df: pd.DataFrame, vectors: Mapping[str, Mapping[str, str]], coordinates: Sequence[str], cut: Array
) -> dict[str, Array]:
    return {
        vector[c]: _where(cut, -_read(df, vector[c]), df[vector[c]], is_angle=c == "phi")
        for vector in vectors.values()
        for c in coordinates
        if c in vector
    }


def _azimuth(df: pd.DataFrame, vec: str) -> Array:
    vector = _names(df)[vec]
    if "phi" in vector:
        return _read(df, vector["phi"])
    if {"px", "py"} <= vector.keys():
        azimuth: Array = np.arctan2(_read(df, vector["py"]), _read(df, vector["px"]))
        return azimuth
    return _refuse(vec, "no phi, nor px with py")


def _along_z(df: pd.DataFrame, vec: str) -> Array:
    vector = _names(df)[vec]
    for coordinate in ("eta", "pz"):
        if coordinate in vector:
            return _read(df, vector[coordinate])
    return _refuse(vec, "neither eta nor pz")


def _py(df: pd.DataFrame, vec: str) -> Array:
    vector = _names(df)[vec]
    if "py" in vector:
        return _read(df, vector["py"])
    if {"pt", "phi"} <= vector.keys():
        py: Array = _read(df, vector["pt"]) * np.sin(_read(df, vector["phi"]))
        return py
    return _refuse(vec, "no py, nor pt with phi")


def _refuse(vec: str, lack: str) -> NoReturn:
    msg = f"{vec!r} cannot be a reference here: it has {lack}"
    raise ConfigError(msg)


def _needed(ref: str | None, name: str, switch: str) -> str:
    if ref is None:
        msg = f"{switch}=True needs {name}: the name of a vector"
        raise ConfigError(msg)
    return ref


def _clear(df: pd.DataFrame, default_vals: Array, vecs: Sequence[str] | None) -> None:
    """Make infinities and default values in the columns of vectors NaN."""
    for vec, vector in _names(df).items():
        if vec not in vecs if vecs is not None else not is_vector(vector):
            continue
        for name in vector.values():
            values = _read(df, name)
            dtype = _precision(df[name])
            is_default = np.isin(values.astype(dtype), default_vals.astype(dtype))
            if (missing := np.isinf(values) | is_default).any():
                df[name] = np.where(missing, np.nan, values).astype(dtype)


def _move(frame: pd.DataFrame, into: pd.DataFrame) -> None:
    """Make one frame the other, whose events are the same."""
    touched = {name for vector in (_names(into) | _names(frame)).values() for name in vector.values()}
    new = {name: frame[name].array for name in frame.columns if name in touched or name not in into}
    put(into, new, drop=[name for name in into.columns if name not in frame], inplace=True)
