r"""Lorentz boosts of momenta, and angles in the rest frame of another.

.. math::
    E' = \gamma (E + \vec\beta \cdot \vec p), \qquad
    \vec p\,' = \vec p + \vec\beta \gamma
        \left( E + \frac{\gamma}{\gamma + 1} \vec\beta \cdot \vec p \right)

GeV, c = 1. Momenta are arrays or tensors ``(px, py, pz, E)``, or vectors' names among the columns
of a frame, in either system; without a column of energy it comes from the mass, else the
vector is massless.

A velocity tells little of a fast particle: near 1 it loses :math:`\gamma^2` times the precision of
its type, all of it for :math:`\gamma` above 3000 in float32. `boost2cm` therefore gives float64
(save of tensors), and boosts along a momentum itself, with ``rescale_boost``, and `delta_r_boosted`
need no velocity.

A massless particle has no rest frame: what is boosted to it, or along it, is NaN. In float32
rounding makes some light particles massless, such as electrons above a few GeV: give their energies
in float64, or none and a mass. Frames faster than light beyond rounding (1e-5) are a mistake, and
are refused, with their number; with tensors, where looking would stall a GPU, they are NaN as well.
Absent objects (NaN) stay NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from lumin_plugin_hep import formulas
from lumin_plugin_hep.angles import give_or_put
from lumin_plugin_hep.precision import in_doubles, stack
from lumin_plugin_hep.vector_columns import momentum, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_plugin_hep.precision import A, Array
    from lumin_plugin_hep.vector_columns import Columns


def boost(
    ref_vec: str | Array, boost_vec: str | Array, df: Columns | None = None, rescale_boost: bool = False
) -> Array:
    """Boost momenta.

    Args:
        ref_vec: The momenta to boost, ``(px, py, pz, E)`` [GeV], shape ``(*, 4)``, or a
            vector's name.
        boost_vec: The velocities to boost by, shape ``(*, 3)``, units of c, or the name of a vector
            whose columns are such; with `rescale_boost` momenta, ``(px, py, pz, E)`` [GeV], shape
            ``(*, 4)``, or a vector's name.
        df: A data frame, or a mapping of names to arrays or tensors.
        rescale_boost: Whether to boost along momenta: a particle at rest comes to move as that of
            this momentum does.

    Returns:
        ``(px, py, pz, E)`` [GeV], shape ``(*, 4)``, in the precision of ``ref_vec``; NaN where a
            velocity is 1, or a momentum to boost along massless.

    Raises:
        DataError: If some velocity is above 1 (arrays), or a column is missing or holds no numbers.
        ShapeError: If momenta or velocities are of another shape.
        ConfigError: If `df` is needed and not given.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import boost, boost2cm
        >>> at_rest, z = np.array([[0.0, 0.0, 0.0, 80.0]]), np.array([[0.0, 0.0, 60.0, 100.0]])
        >>> boost(at_rest, np.array([[0.0, 0.0, 0.6]])).round(9)
        array([[  0.,   0.,  60., 100.]])
        >>> boost(z, boost2cm(z)).round(9)
        array([[ 0.,  0.,  0., 80.]])
    """
    momenta, like = momentum(df, ref_vec, 4)
    if rescale_boost:
        frame, _ = momentum(df, boost_vec, 4)
    elif isinstance(boost_vec, str):
        frame = (*momentum(df, boost_vec, 3)[0], 1.0)
    else:
        frame = (*split(boost_vec, "velocities, shape (*, 3), or with rescale_boost=True of momenta", {3}), 1.0)
    return stack(*in_doubles(formulas.boosted, *momenta, *frame, like=like))


def boost2cm(vec: str | Array, df: Columns | None = None) -> Array:
    r"""Give the velocity to boost by into the rest frame of a particle, :math:`-\vec p / E`.

    Args:
        vec: Momenta ``(px, py, pz, E)`` [GeV], shape ``(*, 4)``, or a vector's name.
        df: A data frame, or a mapping of names to arrays or tensors.

    Returns:
        Velocities in units of c, shape ``(*, 3)``: float64, or a tensor of the type that came; NaN
            where a particle is massless.

    Raises:
        DataError: If some particle is faster than light (arrays), or a column is missing or
            holds no numbers.
        ShapeError: If momenta are of another shape.
        ConfigError: If `df` is needed and not given.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import boost2cm
        >>> boost2cm(np.array([[3.0, 0.0, 0.0, 5.0]]))
        array([[-0.6, -0. , -0. ]])
    """
    momenta, like = momentum(df, vec, 4)
    velocities = in_doubles(formulas.velocity, *momenta, rounded=False)
    if isinstance(velocities[0], np.ndarray):
        return stack(*(-velocity for velocity in velocities))
    return stack(*(-velocity for velocity in velocities), like=like)


@overload
def delta_r_boosted(
    vec_0: str | Array,
    vec_1: str | Array,
    ref_vec: str | Array,
    df: Columns | None = None,
    name: str | None = None,
    inplace: Literal[False] = False,
) -> Array: ...
@overload
def delta_r_boosted(
    vec_0: str | Array,
    vec_1: str | Array,
    ref_vec: str | Array,
    df: Columns | None = None,
    name: str | None = None,
    *,
    inplace: bool,
) -> Array | None: ...
def delta_r_boosted(
    vec_0: str | Array,
    vec_1: str | Array,
    ref_vec: str | Array,
    df: Columns | None = None,
    name: str | None = None,
    inplace: bool = False,
) -> Array | None:
    """Compute the distance in eta and phi of two momenta in the rest frame of a third.

    Args:
        vec_0: Momenta ``(px, py, pz, E)`` [GeV], shape ``(*, 4)``, or a vector's name.
        vec_1: As `vec_0`.
        ref_vec: The momentum whose rest frame it is, as `vec_0`.
        df: A data frame, or a mapping of names to arrays or tensors.
        name: Of the new column; by default ``dR_{vec_0}_{vec_1}_boosted_{ref_vec}`` for names, else
            ``dR_boosted``.
        inplace: Whether to add the column to `df`, by row, rather than give the values.

    Returns:
        Distances, shape ``(*)``, in the precision of the momenta; ``None`` with `inplace`. What is
        at rest in the frame has no direction, and the distance to it no meaning.

    Raises:
        DataError: If some ``ref_vec`` is faster than light (arrays), or a column is missing or
            holds no numbers.
        ShapeError: If momenta are of another shape.
        ConfigError: If `df` is needed and not given.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import delta_r_boosted
        >>> tau_0, tau_1 = np.array([[20.0, 0.0, 0.0, 20.0]]), np.array([[0.0, 20.0, 20.0, 40.0]])
        >>> delta_r_boosted(tau_0, tau_1, tau_0 + tau_1).round(3)
        array([3.259])
    """
    (first, like_0), (second, like_1), (frame, like) = (momentum(df, vec, 4) for vec in (vec_0, vec_1, ref_vec))
    named = all(isinstance(vec, str) for vec in (vec_0, vec_1, ref_vec))
    default = f"dR_{vec_0}_{vec_1}_boosted_{ref_vec}" if named else "dR_boosted"
    distances = in_doubles(_delta_r_in_rest_frame, *first, *second, *frame, like=[*like_0, *like_1, *like])
    return give_or_put(df, name or default, distances, inplace=inplace)


def _delta_r_in_rest_frame(*values: A) -> A:
    eta_0, phi_0 = _direction(values[:4], values[8:])
    eta_1, phi_1 = _direction(values[4:8], values[8:])
    return formulas.length(formulas.azimuth(phi_0, phi_1), eta_1 - eta_0)


def _direction(momentum: Sequence[A], frame: Sequence[A]) -> tuple[A, A]:
    """Give ``(eta, phi)`` of a momentum in the rest frame of another."""
    (px, py, pz, energy), (frame_px, frame_py, frame_pz, frame_energy) = momentum, frame
    boosted = formulas.boosted(px, py, pz, energy, -frame_px, -frame_py, -frame_pz, frame_energy)
    _, eta, phi = formulas.collider(*boosted[:3])
    return eta, phi
