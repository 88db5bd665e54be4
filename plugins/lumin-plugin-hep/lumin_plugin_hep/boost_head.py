r"""What the Lorentz-boost heads share: learned particles, seen from learned rest frames.

.. math::
    p_i = \sum_n |w_{in}|\, x_n, \qquad R_i = \sum_n |v_{in}|\, x_n, \qquad b_i = \Lambda(R_i)\, p_i

of the four-momenta :math:`x_n` of an event's objects, absent ones left out, with :math:`\Lambda(R)`
the boost to where :math:`R` is at rest (`lumin_plugin_hep.four_momentum`). Weights enter by their
absolute value, as in LUMIN: a sum of physical momenta with positive weights is physical, so that it
is at rest somewhere, unless all its particles are massless and collinear; for those there is the
guard of `four_momentum`.

References:
    Erdmann et al., "Lorentz Boost Networks", https://arxiv.org/abs/1812.09722; :math:`w`, :math:`v`
    are its :math:`W_P`, :math:`W_R`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lumin_core.checks import did_you_mean, positive
from lumin_core.errors import ConfigError
from lumin_core.model import MatrixHead
from lumin_plugin_hep.four_momentum import boost_to_rest, complete_energy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import Inputs

_NEEDED, _ENERGY = ("px", "py", "pz"), "E"


class LorentzBoostHead(MatrixHead):
    """Learns particles and their rest frames; a subclass makes features of the boosted particles.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist; empty if the data
            always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: ``px``, ``py``, ``pz`` and, optionally, ``E`` in any order [GeV, not
            standardised].
        n_particles: Number of particles, and of frames, that are learned.
        row_wise: Whether an object is a row of a matrix.

    Attributes:
        weight: Shape ``(2, n_particles, n_objects)``: of the particles, and of their frames. It
            starts normally distributed with the standard deviation ``1 / n_particles``.

    Raises:
        ConfigError: If ``n_particles`` is not positive or the features are others.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.boost_head import LorentzBoostHead
        >>> class Energies(LorentzBoostHead):
        ...     def forward(self, x):
        ...         return self.get_boosted(x)[0][..., 3]
        ...     def get_out_size(self):
        ...         return self.n_particles
        >>> Energies([], ["tau", "jet"], ["px", "py", "pz", "E"], 3)(torch.ones(5, 2, 4)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        n_particles: int,
        row_wise: bool = True,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.n_particles = positive(n_particles, "n_particles")
        self.weight = nn.Parameter(torch.randn(2, self.n_particles, self.n_v) / self.n_particles)
        self._axes: Tensor
        self.register_buffer("_axes", torch.tensor(_axes(self.feats_per_vec)), persistent=False)

    def get_boosted(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """Give the boosted particles, and which events have any object.

        In an event without objects they are 0.

        Args:
            x: What `MatrixHead.get_matrix` takes.

        Returns:
            ``(px, py, pz, E)`` [GeV], shape ``(B, n_particles, 4)``, float32 at least, and a mask
            of shape ``(B,)``.
        """
        momenta, present = self.get_precise(x)
        return momenta.to(self.weight.dtype), present

    def get_precise(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """Give what `get_boosted` gives, in double precision where the device has it.

        The mass of a frame is a small difference of large squares: of particles of some TeV, or in
        one narrow jet, single precision leaves nothing of it. Mixed precision does not matter.

        Args:
            x: What `MatrixHead.get_matrix` takes.
        """
        matrix, present = self.get_matrix(x)
        precise = torch.float32 if matrix.device.type == "mps" else torch.float64
        with torch.autocast(matrix.device.type, enabled=False):
            momenta = complete_energy(matrix.index_select(-1, self._axes).to(precise))  # (B, N, 4)
            weight = self.weight.abs().to(precise).flatten(0, 1)
            sums = linear(momenta.transpose(1, 2), weight)  # (B, 4, 2 P)
            particles, frames = sums.transpose(1, 2).chunk(2, dim=1)
            return boost_to_rest(particles, frames), present.any(1)


def _axes(feats_per_vec: Sequence[str]) -> list[int]:
    known = [*_NEEDED, _ENERGY]
    for feat in feats_per_vec:
        if feat not in known:
            hint = did_you_mean(feat, known)
            msg = f"Lorentz-boost heads take the features px, py, pz and E of an object, got {feat!r}{hint}"
            raise ConfigError(f"{msg}; event_to_cartesian converts pt, eta, phi, and multi_head feeds others beside")
    if missing := [feat for feat in _NEEDED if feat not in feats_per_vec]:
        msg = f"feats_per_vec lacks {', '.join(missing)}: Lorentz-boost heads need px, py and pz, and take E beside "
        raise ConfigError(msg + f"them, got {list(feats_per_vec)}; an element for which there is no column is 0")
    return [feats_per_vec.index(feat) for feat in known if feat in feats_per_vec]
