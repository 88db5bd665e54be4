r"""Boosts and angles of tensors of four-momenta, finite for whatever finite momenta come.

Of a momentum :math:`(\vec p, E)` and a frame that moves as a particle of momentum
:math:`(\vec R, E_R)` and mass :math:`M` does, the momentum as seen in that frame is

.. math::
    E' = \frac{E E_R - \vec p \cdot \vec R}{M}, \qquad
    \vec p\,' = \vec p - \vec R\,\frac{E + E'}{E_R + M},

which is the boost by :math:`-\vec R / E_R` without its :math:`\gamma`, and without a division that
vanishes for a frame at rest. Momenta lie along the last axis, as :math:`(p_x, p_y, p_z, E)` in GeV.

Numerical guards, with the relative precision :math:`\epsilon` of the numbers (1.2e-7 in float32,
2.2e-16 in float64): :math:`E_R^2 - \vec R^2` is only known to some :math:`\epsilon E_R^2`, so

.. math:: M^2 = \max\bigl(E_R^2 - \vec R^2,\; 4 \epsilon (E_R^2 + \vec R^2) + \kappa^2\bigr), \qquad
    E_R \to \sqrt{M^2 + \vec R^2}, \qquad \kappa = 1\,\mathrm{keV}.

A frame of massless collinear particles thus has :math:`\gamma \le 1 / \sqrt{8 \epsilon}`, about
1000 in float32, and what is applied always is a Lorentz boost. Where there is no particle at all
momenta stay 0. The heads call these functions in float64, whatever the precision of the data.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lumin_core.errors import ShapeError

_FLOOR = 1e-12
"""Square of the momentum that counts as none [GeV²]: 1 keV.

Smaller floors have derivatives beyond float32's range.
"""


def complete_energy(momenta: Tensor) -> Tensor:
    """Raise energies below the momentum to it; append those that are not there.

    No particle has energies below. So a particle without an energy, for instance missing momentum,
    is massless, and rounding makes none tachyonic.

    Args:
        momenta: ``(px, py, pz)`` or ``(px, py, pz, E)`` [GeV], shape ``(*, 3)`` or ``(*, 4)``.

    Returns:
        ``(px, py, pz, E)`` [GeV], shape ``(*, 4)``.

    Raises:
        ShapeError: If the last axis is of another length.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.four_momentum import complete_energy
        >>> complete_energy(torch.tensor([[3.0, 0.0, 4.0, 0.0], [3.0, 0.0, 4.0, 13.0]]))
        tensor([[ 3.,  0.,  4.,  5.],
                [ 3.,  0.,  4., 13.]])
    """
    if momenta.shape[-1] not in (3, 4):
        raise ShapeError(f"momenta must end in (px, py, pz) or (px, py, pz, E), got shape {tuple(momenta.shape)}")
    vectors = momenta[..., :3]
    energies = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    if momenta.shape[-1] == 4:
        energies = torch.maximum(energies, momenta[..., 3:])
    return torch.cat((vectors, energies), dim=-1)


def boost_to_rest(momenta: Tensor, frames: Tensor) -> Tensor:
    """Give momenta as they are seen where a frame is at rest.

    Args:
        momenta: ``(px, py, pz, E)`` [GeV], shape ``(*, 4)``.
        frames: Total momenta of the frames [GeV], shape ``(*, 4)``; one for each of `momenta`, or
            broadcast. Their scale does not matter.

    Returns:
        ``(px, py, pz, E)`` [GeV], shape ``(*, 4)``; finite, as are its gradients.

    Raises:
        ShapeError: If either does not end in four components.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.four_momentum import boost_to_rest
        >>> tau, z = torch.tensor([0.0, 0.0, 80.0, 80.0]), torch.tensor([0.0, 0.0, 60.0, 100.0])
        >>> boost_to_rest(tau, z), boost_to_rest(z, z)
        (tensor([ 0.,  0., 40., 40.]), tensor([ 0.,  0.,  0., 80.]))
    """
    _check(momenta, frames)
    vector, energy = momenta.split((3, 1), dim=-1)
    frame, frame_energy = frames.split((3, 1), dim=-1)
    size2 = frame.square().sum(-1, keepdim=True)
    mass2 = frame_energy.square() - size2
    floor = torch.finfo(momenta.dtype).eps * 4 * (frame_energy.square() + size2) + _FLOOR
    mass2 = torch.maximum(mass2, floor)
    mass = mass2.sqrt()
    frame_energy = (mass2 + size2).sqrt()
    boosted_energy = (energy * frame_energy - (vector * frame).sum(-1, keepdim=True)) / mass
    boosted = vector - frame * ((energy + boosted_energy) / (frame_energy + mass))
    return torch.cat((boosted, boosted_energy), dim=-1)


def pair_cosines(momenta: Tensor) -> Tensor:
    r"""Give the cosine of the angle between every two momenta.

    A particle at rest has no direction, and one of :math:`|\vec p| < \sqrt\epsilon E` only one of
    rounding: below that the cosine goes to 0 in proportion to the momentum, with finite gradients.

    Args:
        momenta: ``(px, py, pz, E)`` [GeV], shape ``(*, N, 4)``.

    Returns:
        Shape ``(*, N (N - 1) / 2)``, of the pairs (0, 1), (0, 2), ..., (1, 2), ...

    Raises:
        ShapeError: If momenta do not have this shape.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.four_momentum import pair_cosines
        >>> pair_cosines(
        ...     torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 3.0], [-3.0, 0.0, 0.0, 4.0]])
        ... )
        tensor([ 0., -1.,  0.])
    """
    if momenta.dim() < 2:
        raise ShapeError(f"momenta must have shape (*, N, 4), got {tuple(momenta.shape)}")
    _check(momenta)
    vectors, energies = momenta.split((3, 1), dim=-1)
    floor = torch.finfo(momenta.dtype).eps * energies.square() + _FLOOR
    directions = vectors / torch.maximum(vectors.square().sum(-1, keepdim=True), floor).sqrt()
    n = momenta.shape[-2]
    first, second = torch.triu_indices(n, n, 1, device=momenta.device)
    # no matrix product, which is coarse in mixed precision, and slower for the few
    # particles there are
    cosines: Tensor = (directions.index_select(-2, first) * directions.index_select(-2, second)).sum(-1)
    return cosines


def _check(*tensors: Tensor) -> None:
    for tensor in tensors:
        if tensor.dim() == 0 or tensor.shape[-1] != 4:
            raise ShapeError(f"momenta must end in (px, py, pz, E), got shape {tuple(tensor.shape)}")
