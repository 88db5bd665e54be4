r"""Momenta between Cartesian and collider coordinates.

.. math::
    p_x = p_T \cos\phi, \quad p_y = p_T \sin\phi, \quad p_z = p_T \sinh\eta; \qquad
    p_T = \sqrt{p_x^2 + p_y^2}, \quad \eta = \operatorname{asinh}(p_z / p_T), \quad
    \phi = \operatorname{atan2}(p_y, p_x)

GeV and rad, phi in [-pi, pi). What moves along the beam (pt = 0) has no direction in the transverse
plane: its phi is that of the signs of px and py, its eta 0 where pz is 0 and else +-88, the limit
of all eta: finite, and beyond anything measured. Components of absent objects (NaN) stay NaN.
Columns are described in `vector_columns`.

References:
    Review of Particle Physics (PDG, 2022), "Kinematics", https://doi.org/10.1093/ptep/ptac097
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, overload

from lumin_core.errors import ConfigError
from lumin_plugin_hep import formulas
from lumin_plugin_hep.precision import in_doubles, into_range, stack
from lumin_plugin_hep.vector_columns import coordinate, find, is_momenta, named, put, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_plugin_hep.precision import A, Array, Values
    from lumin_plugin_hep.vector_columns import C


@overload
def to_cartesian(df: A) -> A: ...
@overload
def to_cartesian(df: C, vec: str, drop: bool = False, inplace: Literal[False] = False) -> C: ...
@overload
def to_cartesian(df: C, vec: str, drop: bool = False, *, inplace: bool) -> C | None: ...
def to_cartesian(df: C | Array, vec: str | None = None, drop: bool = False, inplace: bool = False) -> C | Array | None:
    r"""Convert momenta from collider to Cartesian coordinates.

    Args:
        df: A data frame, or a mapping of names to arrays or tensors, with ``{vec}_pt`` (or
            ``{vec}_pT``) and ``{vec}_phi``, and ``{vec}_eta`` unless the vector is transverse; or
            the momenta themselves, an array or a tensor ``(pt, eta, phi)`` [GeV, 1, rad], shape
            ``(*, 3)``, or ``(*, 4)`` with an energy or mass, which stays.
        vec: The vector's name, for columns.
        drop: Whether to remove the columns of collider coordinates.
        inplace: Whether to change the frame that came (as LUMIN does), rather than give another.

    Returns:
        The columns with ``{vec}_px``, ``{vec}_py`` and, where there is eta, ``{vec}_pz`` [GeV];
        ``None`` with `inplace`. For momenta ``(px, py, pz)``, of the same shape and precision, with
        gradients where tensors have them.

    Raises:
        DataError: If a column is missing, or holds no numbers.
        ShapeError: If momenta are of another shape.
        ConfigError: If there are columns but no `vec`, or momenta and an option for columns.

    Example:
        >>> import pandas as pd
        >>> import torch
        >>> from lumin_plugin_hep import to_cartesian
        >>> to_cartesian(torch.tensor([[2.0, 0.0, 0.0]]))
        tensor([[2., 0., 0.]])
        >>> df = pd.DataFrame({"tau_pt": [2.0], "tau_eta": [0.0], "tau_phi": [0.0]})
        >>> to_cartesian(df, "tau", drop=True)
           tau_px  tau_py  tau_pz
        0     2.0     0.0     0.0
    """
    if is_momenta(df):
        return _convert(df, _cartesian, "(pt, eta, phi)", vec, drop, inplace)
    return _convert_columns(cast("C", df), _named(vec), ("pt", "eta", "phi"), ("px", "py", "pz"), drop, inplace)


@overload
def to_pt_eta_phi(df: A) -> A: ...
@overload
def to_pt_eta_phi(df: C, vec: str, drop: bool = False, inplace: Literal[False] = False) -> C: ...
@overload
def to_pt_eta_phi(df: C, vec: str, drop: bool = False, *, inplace: bool) -> C | None: ...
def to_pt_eta_phi(df: C | Array, vec: str | None = None, drop: bool = False, inplace: bool = False) -> C | Array | None:
    r"""Convert momenta from Cartesian to collider coordinates; the inverse of `to_cartesian`.

    Args:
        df: A data frame, or a mapping of names to arrays or tensors, with ``{vec}_px``,
            ``{vec}_py`` and, unless the vector is transverse, ``{vec}_pz``; or the momenta
            themselves, an array or a tensor ``(px, py, pz)`` [GeV], shape ``(*, 3)``, or ``(*, 4)``
            with an energy or mass, which stays.
        vec: The vector's name, for columns.
        drop: Whether to remove the Cartesian columns.
        inplace: Whether to change the frame that came (as LUMIN does), rather than give another.

    Returns:
        The columns with ``{vec}_pt``, ``{vec}_phi`` and, where there is pz, ``{vec}_eta``
        [GeV, rad, 1]; a column ``{vec}_pT`` that is there keeps its name. ``None`` with `inplace`.
        For momenta ``(pt, eta, phi)``, of the same shape and precision, with gradients where
        tensors have them.

    Raises:
        DataError: If a column is missing, or holds no numbers.
        ShapeError: If momenta are of another shape.
        ConfigError: If there are columns but no `vec`, or momenta and an option for columns.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import to_pt_eta_phi
        >>> to_pt_eta_phi(np.array([[-2.0, 0.0, 0.0], [0.0, 0.0, 5.0]])).round(4)
        array([[ 2.    ,  0.    , -3.1416],
               [ 0.    , 88.    ,  0.    ]])
    """
    if is_momenta(df):
        return _convert(df, _collider, "(px, py, pz)", vec, drop, inplace)
    return _convert_columns(cast("C", df), _named(vec), ("px", "py", "pz"), ("pt", "eta", "phi"), drop, inplace)


def _cartesian(*momentum: Values) -> tuple[Array, Array, Array]:
    px, py, pz = in_doubles(formulas.cartesian, *momentum)
    return px, py, pz


def _collider(*momentum: Values) -> tuple[Array, Array, Array]:
    pt, eta, phi = in_doubles(formulas.collider, *momentum)
    return pt, eta, into_range(phi)


def _convert(
    momenta: Array, formula: Callable[..., tuple[Array, ...]], names: str, vec: str | None, drop: bool, inplace: bool
) -> Array:
    if vec is not None or drop or inplace:
        raise ConfigError("vec, drop and inplace are for columns of a frame; for momenta leave them out")
    values = split(momenta, f"{names}, shape (*, 3) or (*, 4)", {3, 4})
    return stack(*formula(*values[:3]), *values[3:])


def _convert_columns(
    df: C, vec: str, old: tuple[str, str, str], new: tuple[str, str, str], drop: bool, inplace: bool
) -> C | None:
    df = named(df, inplace=inplace)
    along = "eta" if "eta" in old else "pz"
    names = [name for name in old if name != along or find(df, vec, along)]
    values = [coordinate(df, vec, name) if name in names else 0.0 for name in old]
    results = zip(new, (_cartesian if along == "eta" else _collider)(*values), strict=True)
    kept = {name: value for name, value in results if name not in {"eta", "pz"} or along in names}
    columns = {find(df, vec, name) or f"{vec}_{name}": value for name, value in kept.items()}
    return put(df, columns, drop=[str(find(df, vec, name)) for name in names] if drop else [], inplace=inplace)


def _named(vec: str | None) -> str:
    if vec is None:
        raise ConfigError("vec= must name the vector among the columns, for instance 'tau' for tau_px, tau_py, tau_pz")
    return vec
