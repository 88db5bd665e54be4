r"""The momenta of objects, from the features that the head was given.

.. math::
    p_x = p_T \cos\phi, \quad p_y = p_T \sin\phi, \quad p_z = p_T \sinh\eta, \quad
    E = \sqrt{p_T^2 \cosh^2\eta + m^2}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from lumin_core.checks import did_you_mean, listed
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

Coordinates = Literal["cartesian", "collider"]

COMPONENTS: dict[str, tuple[str, ...]] = {
    "cartesian": ("E", "px", "py", "pz"),
    "collider": ("pt", "eta", "phi", "mass"),
}
"""The features that make up a momentum: GeV, and for eta and phi 1 and rad."""


class Momenta(nn.Module):
    """Splits a matrix of objects into their momenta and their other features.

    Args:
        feats_per_vec: Names of the features of an object.
        coords: ``"cartesian"`` (``E, px, py, pz``) or ``"collider"`` (``pt, eta, phi, mass``).
        unit: What momenta are divided by, in GeV.

    Attributes:
        n_others: Number of features that are not part of the momentum.

    Raises:
        ConfigError: If there are no such coordinates, or a component is missing.

    Example:
        >>> import torch
        >>> from lumin_plugin_lgatr.momenta import Momenta
        >>> momenta = Momenta(["pt", "eta", "phi", "mass", "charge"], "collider", unit=10.0)
        >>> p, others = momenta(torch.tensor([[3.0, 0.0, 0.0, 4.0, -1.0]]))
        >>> p, others
        (tensor([[0.5000, 0.3000, 0.0000, 0.0000]]), tensor([[-1.]]))
    """

    def __init__(self, feats_per_vec: Sequence[str], coords: Coordinates, unit: float) -> None:
        super().__init__()
        if coords not in COMPONENTS:
            hint = did_you_mean(str(coords), COMPONENTS)
            raise ConfigError(f"coords must be one of {listed(COMPONENTS)}, got {coords!r}{hint}")
        if not unit > 0:
            raise ConfigError(f"unit must be a positive energy in GeV, got {unit!r}")
        feats = list(feats_per_vec)
        if missing := [name for name in COMPONENTS[coords] if name not in feats]:
            other = next(name for name in COMPONENTS if name != coords)
            raise ConfigError(
                f"the 4-momenta need {listed(COMPONENTS[coords])} among feats_per_vec; {listed(missing)} missing in "
                f"{feats}; coords={other!r} takes {listed(COMPONENTS[other])}"
            )
        columns = [feats.index(name) for name in COMPONENTS[coords]]
        others = [i for i in range(len(feats)) if i not in columns]
        self.coords = coords
        self.unit = unit
        self.n_others = len(others)
        self._columns: Tensor
        self._others: Tensor
        self.register_buffer("_columns", torch.tensor(columns), persistent=False)
        self.register_buffer("_others", torch.tensor(others, dtype=torch.long), persistent=False)

    def forward(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(*, F)`` into momenta ``(*, 4)`` as ``E, px, py, pz``, and the others."""
        components = matrix.index_select(-1, self._columns)
        momenta = components if self.coords == "cartesian" else _to_cartesian(components)
        return momenta / self.unit, matrix.index_select(-1, self._others)


def _to_cartesian(components: Tensor) -> Tensor:
    pt, eta, phi, mass = components.unbind(-1)
    energy = ((pt * eta.cosh()).square() + mass.square()).sqrt()
    return torch.stack((energy, pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()), dim=-1)
