r"""The formulas of kinematics, on arrays and on tensors of double precision.

Arrays rest on scikit-hep's ``vector``; tensors, for gradients and GPUs, on the plain formulas,
tested against it. Three are ours for both, because what is usually written down is a small
difference of large numbers:

.. math::
    m^2 &= (E - |\vec p|)(E + |\vec p|) \\
    m_{12}^2 &= m_1^2 + m_2^2
        + 2 \left( \frac{m_1^2 m_2^2 + m_1^2 p_2^2 + m_2^2 p_1^2}{E_1 E_2 + p_1 p_2}
        + \frac{|\vec p_1 \times \vec p_2|^2}{p_1 p_2 + \vec p_1 \cdot \vec p_2} \right) \\
    m_T &= 2 \sqrt{p_{T,1}\, p_{T,2}}\; |\sin(\Delta\phi / 2)|

In the second the bracket is :math:`E_1 E_2 - p_1 p_2` and
:math:`p_1 p_2 - \vec p_1 \cdot \vec p_2`, each extended by its conjugate; no term is negative. (Of
momenta at more than 90 degrees nothing cancels in the latter, and it stays.) The gradient of a root
where it vanishes is 0, not infinite. NaN stays NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import torch
import vector
from torch import Tensor

from lumin_core.errors import DataError

if TYPE_CHECKING:
    from types import ModuleType

A = TypeVar("A", np.ndarray, Tensor)
Triple: TypeAlias = tuple[A, A, A]

ETA_LIMIT = 88.0
"""Pseudorapidities are within plus and minus this: beyond it their sinh is no float32."""

_ROUNDING = 1e-5
"""Fraction by which rounding may lift momenta above energies: some 1e-6 if forward, in float32."""


def cartesian(pt: A, eta: A, phi: A) -> Triple[A]:
    """Give ``(px, py, pz)`` of ``(pt, eta, phi)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import cartesian
        >>> cartesian(np.array([2.0]), np.array([0.0]), np.array([0.0]))
        (array([2.]), array([0.]), array([0.]))
    """
    if isinstance(pt, Tensor):
        return pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()
    momenta = _vectors(pt=pt, eta=eta, phi=phi)
    return momenta.px, momenta.py, momenta.pz


def collider(px: A, py: A, pz: A) -> Triple[A]:
    """Return ``(pt, eta, phi)`` of ``(px, py, pz)``.

    eta is within `ETA_LIMIT`, and phi of [-pi, pi] yet.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import collider
        >>> collider(np.array([0.0]), np.array([2.0]), np.array([0.0]))
        (array([2.]), array([0.]), array([1.57079633]))
    """
    if isinstance(px, Tensor):
        pt = torch.linalg.vector_norm(torch.stack((px, py), dim=-1), dim=-1)
        at_beam = pt == 0  # derivatives have no meaning there, and are 0
        limit = torch.where(pz.isnan(), pz, pz.sign() * ETA_LIMIT).detach()
        eta_or_limit = torch.where(at_beam, limit, (pz / torch.where(at_beam, 1, pt)).asinh())
        sign = torch.copysign(torch.ones_like(px), px.detach())
        phi = torch.atan2(py, torch.where(at_beam, sign, px))
        return pt, eta_or_limit.clamp(-ETA_LIMIT, ETA_LIMIT), phi
    momenta = _vectors(px=px, py=py, pz=pz)
    eta = np.where(np.isnan(momenta.pt), np.nan, np.clip(momenta.eta, -ETA_LIMIT, ETA_LIMIT))
    return momenta.pt, eta, momenta.phi


def azimuth(phi_0: A, phi_1: A) -> A:
    """Give ``phi_1 - phi_0`` in [-pi, pi].

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import azimuth
        >>> azimuth(np.array([3.0]), np.array([-3.0])).round(4)
        array([0.2832])
    """
    if isinstance(phi_0, Tensor):
        return torch.remainder(phi_1 - phi_0 + math.pi, 2 * math.pi) - math.pi
    first, second = (_vectors(pt=np.ones_like(phi), phi=phi) for phi in (phi_0, phi_1))
    difference: A = second.deltaphi(first)
    return difference


def length(*components: A) -> A:
    """Give the length of a vector in two or three dimensions.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import length
        >>> length(np.array([3.0]), np.array([4.0]))
        array([5.])
    """
    if isinstance(components[0], Tensor):
        norm: A = torch.linalg.vector_norm(torch.stack(components, dim=-1), dim=-1)
        return norm
    momenta = _vectors(**dict(zip(("x", "y", "z"), components, strict=False)))
    size: A = momenta.rho if len(components) == 2 else momenta.mag
    return size


def twist(dphi: A, deta: A) -> A:
    """Give the angle of a difference in the plane of eta and phi.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import twist
        >>> twist(np.array([-1.0]), np.array([0.0])).round(4)
        array([1.5708])
    """
    if isinstance(dphi, Tensor):  # at 0, 0, derivatives have no meaning, and are 0
        return torch.atan2(dphi.abs(), torch.where((dphi == 0) & (deta == 0), 1, deta.abs()))
    angle: A = _vectors(x=np.abs(deta), y=np.abs(dphi)).phi
    return angle


def energy(px: A, py: A, pz: A, mass: A) -> A:
    """Give the energy of a momentum and a mass.

    Raises:
        DataError: If there are negative masses (arrays).

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import energy
        >>> energy(*np.array([[3.0], [0.0], [0.0], [4.0]]))
        array([5.])
    """
    if isinstance(px, Tensor):
        return length(px, py, pz, mass)
    refuse_negative(mass)
    energy: A = _vectors(px=px, py=py, pz=pz, mass=mass).E
    return energy


def mass(px: A, py: A, pz: A, energy: A, resolution: float = 0.0) -> A:
    r"""Return the mass of a four-momentum.

    It is 0 where ``E`` is below ``|p|``, or equal to it within rounding.

    Args:
        px: Momentum.
        py: Momentum.
        pz: Momentum.
        energy: Energy.
        resolution: Relative step between the numbers that these are, where they were rounded before
            they came: a mass of :math:`m^2 < 4 \epsilon E^2` is rounding.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import mass
        >>> mass(*np.array([[3.0], [0.0], [0.0], [5.0]]))
        array([4.])
    """
    size = length(px, py, pz)
    square = (energy - size) * (energy + size)
    return _root(_where(square <= 4 * resolution * energy * energy, 0, square))


def transverse_mass(pt_0: A, phi_0: A, pt_1: A, phi_1: A) -> A:
    """Give the transverse mass of two momenta as if both were massless.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import transverse_mass
        >>> transverse_mass(*np.array([[20.0], [0.0], [20.0], [np.pi]]))
        array([40.])
    """
    mass: A = 2 * _root(pt_0 * pt_1) * abs(_library(pt_0).sin(azimuth(phi_0, phi_1) / 2))
    return mass


def pair_mass(momentum_0: Triple[A], momentum_1: Triple[A], mass_0: A, mass_1: A) -> A:
    """Give the mass of two particles.

    Raises:
        DataError: If there are negative masses (arrays).

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import pair_mass
        >>> x, zero = np.array([20.0]), np.array([0.0])
        >>> (
        ...     pair_mass((x, zero, zero), (-x, zero, zero), zero, zero),
        ...     pair_mass((x, zero, zero), (x, zero, zero), x, x),
        ... )
        (array([40.]), array([40.]))
    """
    refuse_negative(mass_0)
    refuse_negative(mass_1)
    size_0, size_1 = length(*momentum_0), length(*momentum_1)
    energies = length(size_0, mass_0) * length(size_1, mass_1)
    sizes = size_0 * size_1
    squares = (mass_0 * mass_1) ** 2 + (mass_0 * size_1) ** 2 + (mass_1 * size_0) ** 2
    at_rest = _ratio(squares, energies + sizes)
    return _root(mass_0**2 + mass_1**2 + 2 * (at_rest + _opening(momentum_0, momentum_1, sizes)))


def cosine(px_0: A, py_0: A, pz_0: A, px_1: A, py_1: A, pz_1: A) -> A:
    """Give the cosine of the angle between two momenta; NaN where one of them is 0.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import cosine
        >>> cosine(*np.array([[3.0], [0.0], [4.0], [0.0], [0.0], [2.0]]))
        array([0.8])
    """
    dot, _ = _products((px_0, py_0, pz_0), (px_1, py_1, pz_1))
    cosines: A = (dot / (length(px_0, py_0, pz_0) * length(px_1, py_1, pz_1))).clip(-1, 1)
    return cosines


def boosted(
    px: A, py: A, pz: A, energy: A, frame_px: A, frame_py: A, frame_pz: A, frame_energy: A
) -> tuple[A, A, A, A]:
    r"""Give momenta boosted along a four-momentum, as if its particle had been at rest.

    With :math:`(\vec R, E_R)` that particle's, and :math:`M` its mass,

    .. math::
        E' = (E E_R + \vec p \cdot \vec R) / M, \qquad
        \vec p\,' = \vec p + \vec R\,(E + E') / (E_R + M)

    which is the boost by the velocity :math:`\vec R / E_R`, without its :math:`\gamma`.

    A particle without mass has no rest frame, and momenta boosted along it are NaN.

    Raises:
        DataError: If a frame is faster than light (arrays; with tensors, where looking would
            stall a GPU, NaN).

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import boosted
        >>> zero = np.array([0.0])
        >>> boosted(zero, zero, zero, np.array([4.0]), np.array([3.0]), zero, zero, np.array([5.0]))
        (array([3.]), array([0.]), array([0.]), array([5.]))
    """
    size = length(frame_px, frame_py, frame_pz)
    square = (frame_energy - size) * (frame_energy + size)
    mass: A = _library(size).sqrt(_where(square > 0, square, math.nan))
    if isinstance(px, Tensor):
        new = (energy * frame_energy + px * frame_px + py * frame_py + pz * frame_pz) / mass
        shift = (energy + new) / (frame_energy + mass)
        return px + frame_px * shift, py + frame_py * shift, pz + frame_pz * shift, new
    refuse_tachyons(frame_energy, size)
    momenta = _vectors(px=px, py=py, pz=pz, E=energy)
    momenta = momenta.boost_p4(_vectors(px=frame_px, py=frame_py, pz=frame_pz, mass=mass))
    return momenta.px, momenta.py, momenta.pz, momenta.E


def velocity(px: A, py: A, pz: A, energy: A) -> Triple[A]:
    """Give the velocity of a particle with a rest frame, NaN without.

    Raises:
        DataError: If a particle is faster than light (arrays; with tensors NaN).

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import velocity
        >>> velocity(*np.array([[3.0], [0.0], [0.0], [5.0]]))
        (array([0.6]), array([0.]), array([0.]))
    """
    size = length(px, py, pz)
    slower = _where(energy > size, energy, math.nan)
    if isinstance(px, Tensor):
        return px / slower, py / slower, pz / slower
    refuse_tachyons(energy, size)
    beta = _vectors(px=px, py=py, pz=pz, E=slower).to_beta3()
    return beta.x, beta.y, beta.z


def refuse_negative(mass: np.ndarray | Tensor) -> None:
    """Refuse negative masses in arrays, such as a default value for absent objects.

    Raises:
        DataError: If there are such.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import refuse_negative
        >>> refuse_negative(np.array([0.0, 1.0, np.nan]))
    """
    if isinstance(mass, Tensor):
        return
    n_bad = np.count_nonzero(mass < 0)
    if n_bad:
        raise DataError(
            f"masses must not be negative, got {n_bad} of {np.size(mass)}; if they say absent, make them NaN"
        )


def refuse_tachyons(energy: np.ndarray, size: np.ndarray) -> None:
    """Refuse frames faster than light, in arrays: those of ``|p| > E`` beyond rounding.

    Raises:
        DataError: If there are such.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.formulas import refuse_tachyons
        >>> refuse_tachyons(np.array([2.0, 1.0, np.nan]), np.array([1.0, 1.0, np.nan]))
    """
    n_bad = np.count_nonzero(energy < (1 - _ROUNDING) * size)
    if n_bad:
        raise DataError(
            f"a frame cannot be faster than light, got {n_bad} of {np.size(energy)} rows with |p| > E or |beta| > 1: "
            "boost by velocities in units of c, along momenta with rescale_boost=True; and make absent objects NaN"
        )


def _opening(momentum_0: Triple[A], momentum_1: Triple[A], sizes: A) -> A:
    """Give p q - p.q without cancellation."""
    dot, cross = _products(momentum_0, momentum_1)
    acute = dot > 0
    return _where(acute, cross / _where(acute, sizes + dot, 1), sizes - dot)


def _products(momentum_0: Triple[A], momentum_1: Triple[A]) -> tuple[A, A]:
    """Give the scalar product, and the square of the vector product."""
    if isinstance(momentum_0[0], Tensor):
        first, second = torch.stack(momentum_0, dim=-1), torch.stack(momentum_1, dim=-1)
        return (first * second).sum(-1), torch.linalg.cross(first, second).square().sum(-1)
    a, b = (_vectors(**dict(zip(("x", "y", "z"), p, strict=True))) for p in (momentum_0, momentum_1))
    return a.dot(b), a.cross(b).mag2


def _ratio(numerator: A, denominator: A) -> A:
    """Divide, 0 by 0 being 0, and so its derivatives."""
    ratio: A = numerator / _where(denominator == 0, 1, denominator)
    return ratio


def _root(square: A) -> A:
    """Give the square root, 0 below 0, and its derivatives 0 there."""
    none = square <= 0
    root: A = _library(square).sqrt(_where(none, 1, square))
    return _where(none, 0, root)


def _where(condition: A, then: A | float, otherwise: A | float) -> A:
    chosen: A = _library(condition).where(condition, then, otherwise)
    return chosen


def _vectors(**components: np.ndarray) -> Any:
    return vector.array(components)


def _library(values: object) -> ModuleType:
    return torch if isinstance(values, Tensor) else np
