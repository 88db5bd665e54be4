r"""Vectors in data frames.

Which there are, their momenta, and new columns of momentum, mass and energy.

.. math::
    |p| = \sqrt{p_x^2 + p_y^2 + p_z^2}, \quad m = \sqrt{(E - |p|)(E + |p|)}, \quad
    E = \sqrt{|p|^2 + m^2}, \quad
    m_T = \sqrt{2\, p_{T}\, p_{T}^\mathrm{miss} (1 - \cos\Delta\phi)}

Momenta, energies and masses are in GeV, angles in rad, phi in [-pi, pi), c = 1. A frame may be a
mapping of names to arrays or tensors as well, or an array of records (a frame is given then); how a
vector's columns are named is described in `vector_columns`. The frame that comes stays as it was,
and another is given, unless `inplace` is true; then nothing is given. LUMIN always changes it.
Existing columns of the new name are replaced. Absent objects (NaN) stay NaN.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, overload

from lumin_plugin_hep import formulas
from lumin_plugin_hep.momenta import SYSTEMS, find_vectors
from lumin_plugin_hep.precision import in_doubles, resolution, stack
from lumin_plugin_hep.vector_columns import (
    cartesian,
    collider,
    coordinate,
    energy,
    find,
    four_momentum,
    is_cartesian,
    named,
    put,
    sources,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lumin_plugin_hep.precision import Array
    from lumin_plugin_hep.vector_columns import C, Columns


def get_vecs(feats: Iterable[str], strict: bool = True) -> list[str]:
    """Find the vectors among features by their names, in upper or lower case.

    These are ``{vec}_px``, ``{vec}_pT``, ...

    Args:
        feats: Names of features, such as the columns of a frame.
        strict: Whether only those count of which both transverse components are there, pt and phi
            or px and py; otherwise one component is enough.

    Returns:
        The vectors' names, each once, in the order of their first feature. (LUMIN gives a set, in
        random order.) Differences and absolute values, such as ``delta_phi`` and ``tau_abs_eta``,
        are no vectors.

    Raises:
        ConfigError: If two features are the same component of a vector.

    Example:
        >>> from lumin_plugin_hep import get_vecs
        >>> get_vecs(["tau_px", "tau_py", "jet_eta", "met_pT", "met_phi", "mass"])
        ['tau', 'met']
        >>> get_vecs(["tau_px", "tau_py", "jet_eta"], strict=False)
        ['tau', 'jet']
    """
    wanted = set().union(*SYSTEMS)
    vectors = {vec: wanted & found.keys() for vec, found in find_vectors(list(feats)).items()}
    if strict:
        return [vec for vec, found in vectors.items() if {"px", "py"} <= found or {"pt", "phi"} <= found]
    return [vec for vec, found in vectors.items() if found]


@overload
def add_abs_mom(df: C, vec: str, z: bool = True, inplace: Literal[False] = False) -> C: ...
@overload
def add_abs_mom(df: C, vec: str, z: bool = True, *, inplace: bool) -> C | None: ...
def add_abs_mom(df: C, vec: str, z: bool = True, inplace: bool = False) -> C | None:
    """Add the size of a momentum.

    Args:
        df: The frame, with the vector in either system.
        vec: The vector's name.
        z: Whether the component along the beam counts, if there is one.
        inplace: Whether to change `df`.

    Returns:
        The frame with ``{vec}_absp`` [GeV], or ``None``.

    Raises:
        DataError: If a column is missing, or holds no numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import add_abs_mom
        >>> add_abs_mom(pd.DataFrame({"tau_px": [3.0], "tau_py": [4.0]}), "tau")
           tau_px  tau_py  tau_absp
        0     3.0     4.0       5.0
    """
    df = named(df, inplace=inplace)
    components = cartesian(df, vec)[: 3 if z else 2]
    size = in_doubles(formulas.length, *components, like=sources(df, vec))
    return put(df, {f"{vec}_absp": size}, inplace=inplace)


@overload
def add_mass(df: C, vec: str, inplace: Literal[False] = False) -> C: ...
@overload
def add_mass(df: C, vec: str, inplace: bool) -> C | None: ...
def add_mass(df: C, vec: str, inplace: bool = False) -> C | None:
    r"""Add the mass of a four-momentum, from its energy and momentum.

    It is never NaN by rounding: energies below the momentum give 0, and so do masses that are
    rounding alone, :math:`m^2 \le 4 \epsilon E^2` with the relative precision :math:`\epsilon` of
    the columns, of which the least counts: in float32 that is :math:`m \le 7 \cdot 10^{-4} E`, in
    float64 :math:`3 \cdot 10^{-8} E`.

    Args:
        df: The frame, with the vector in either system, and its energy ``{vec}_E``.
        vec: The vector's name.
        inplace: Whether to change `df`.

    Returns:
        The frame with ``{vec}_mass`` [GeV], or ``None``.

    Raises:
        DataError: If a column is missing, or holds no numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import add_mass
        >>> add_mass(
        ...     pd.DataFrame({"tau_px": [3.0], "tau_py": [0.0], "tau_pz": [0.0], "tau_E": [5.0]}),
        ...     "tau",
        ... )
           tau_px  tau_py  tau_pz  tau_E  tau_mass
        0     3.0     0.0     0.0    5.0       4.0
    """
    df = named(df, inplace=inplace)
    momentum, like = (*cartesian(df, vec), coordinate(df, vec, "E")), sources(df, vec, "E")
    mass = in_doubles(partial(formulas.mass, resolution=resolution(like)), *momentum, like=like)
    return put(df, {f"{vec}_mass": mass}, inplace=inplace)


@overload
def add_energy(df: C, vec: str, inplace: Literal[False] = False) -> C: ...
@overload
def add_energy(df: C, vec: str, inplace: bool) -> C | None: ...
def add_energy(df: C, vec: str, inplace: bool = False) -> C | None:
    """Add the energy of a momentum, from its mass, without which it is massless.

    Args:
        df: The frame, with the vector in either system, and perhaps its mass ``{vec}_mass``.
        vec: The vector's name.
        inplace: Whether to change `df`.

    Returns:
        The frame with ``{vec}_E`` [GeV], or ``None``.

    Raises:
        DataError: If a column is missing, holds no numbers, or there are negative masses (not
            checked of tensors).

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import add_energy
        >>> add_energy(
        ...     pd.DataFrame(
        ...         {"tau_pt": [3.0], "tau_eta": [0.0], "tau_phi": [0.0], "tau_mass": [4.0]}
        ...     ),
        ...     "tau",
        ... )
           tau_pt  tau_eta  tau_phi  tau_mass  tau_E
        0     3.0      0.0      0.0       4.0    5.0
    """
    df = named(df, inplace=inplace)
    result = in_doubles(lambda values: values, energy(df, vec), like=sources(df, vec, "mass"))
    return put(df, {f"{vec}_E": result}, inplace=inplace)


@overload
def add_mt(df: C, vec: str, mpt_name: str = "mpt", inplace: Literal[False] = False) -> C: ...
@overload
def add_mt(df: C, vec: str, mpt_name: str = "mpt", *, inplace: bool) -> C | None: ...
def add_mt(df: C, vec: str, mpt_name: str = "mpt", inplace: bool = False) -> C | None:
    """Add the transverse mass of a momentum and missing transverse momentum, both as if massless.

    Args:
        df: The frame, with both in either system.
        vec: The vector's name.
        mpt_name: The name of the missing transverse momentum: ``{mpt_name}_pt`` and
            ``{mpt_name}_phi``, or ``_px`` and ``_py``.
        inplace: Whether to change `df`.

    Returns:
        The frame with ``{vec}_mt`` [GeV] (as in LUMIN ``{vec}_mT`` where there is
        ``{vec}_pT``), or ``None``.

    Raises:
        DataError: If a column is missing, or holds no numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import add_mt
        >>> df = pd.DataFrame(
        ...     {"tau_pt": [20.0], "tau_phi": [1.0], "met_px": [20.0], "met_py": [0.0]}
        ... )
        >>> add_mt(df, "tau", "met").round(4)
           tau_pt  tau_phi  met_px  met_py  tau_mt
        0    20.0      1.0    20.0     0.0  19.177
    """
    df = named(df, inplace=inplace)
    (pt_0, _, phi_0), (pt_1, _, phi_1) = collider(df, vec), collider(df, mpt_name)
    name = f"{vec}_mT" if find(df, vec, "pt") == f"{vec}_pT" else f"{vec}_mt"
    like = [*sources(df, vec), *sources(df, mpt_name)]
    mass = in_doubles(formulas.transverse_mass, pt_0, phi_0, pt_1, phi_1, like=like)
    return put(df, {name: mass}, inplace=inplace)


def get_momentum(df: Columns, vec: str, include_E: bool = False, as_cart: bool = False) -> Array:
    """Give the momentum of a vector as an array.

    Args:
        df: The frame, with the vector in either system; Cartesian columns count where
            both are there.
        vec: The vector's name.
        include_E: Whether to give the energy too: that of ``{vec}_E``, else from ``{vec}_mass``,
            else as if massless.
        as_cart: Whether to give Cartesian components, whatever the columns are.

    Returns:
        ``(px, py, pz)`` or ``(pt, eta, phi)``, and ``E`` [GeV, rad], shape ``(n, 3)`` or
        ``(n, 4)``: an array, or a tensor. The component along the beam is 0 where there is none.

    Raises:
        DataError: If a column is missing, holds no numbers, or there are negative masses (not
            checked of tensors).

    Example:
        >>> import pandas as pd
        >>> from lumin_plugin_hep import get_momentum
        >>> get_momentum(
        ...     pd.DataFrame({"tau_pt": [3.0], "tau_eta": [0.0], "tau_phi": [0.0]}),
        ...     "tau",
        ...     include_E=True,
        ... )
        array([[3., 0., 0., 3.]])
    """
    df = named(df)
    system = cartesian if as_cart or is_cartesian(df, vec) else collider
    if not include_E:
        return stack(*system(df, vec), like=sources(df, vec))
    return stack(*system(df, vec), four_momentum(df, vec)[3], like=sources(df, vec, "E", "mass"))
