r"""What networks on the constituents of a jet are fed: their 4-momenta, seen from the jet.

With the jet as the sum of its present constituents,

.. math::
    \Delta\eta, \quad \Delta\phi, \quad \ln p_T, \quad \ln E, \quad
    \ln \frac{p_T}{p_{T,\mathrm{jet}}}, \quad
    \ln \frac{E}{E_\mathrm{jet}}, \quad \Delta R

in GeV and rad. The logarithms are shifted and scaled to be of order one, by constants that suit
jets of some hundred GeV: :math:`0.7 (\ln p_T - 1.7)`, :math:`0.7 (\ln E - 2)`,
:math:`0.7 (\ln p_T/p_{T,\mathrm{jet}} + 4.7)`, :math:`0.7 (\ln E/E_\mathrm{jet} + 4.7)`,
:math:`4 (\Delta R - 0.2)`.

References:
    Qu and Gouskos (ParticleNet), https://arxiv.org/abs/1902.08570; the constants are those of the
    configuration of Qu, Li and Qian (particle transformer), https://arxiv.org/abs/2202.03772
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lumin_core.errors import ConfigError
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.layers import in_doubles, only_present

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPONENTS = ("px", "py", "pz", "E")
SMALL = 1e-8
"""In the place of momenta and energies of nothing, in GeV."""


class ConstituentFeatures(Extractor):
    r"""Computes the field's inputs from the 4-momenta of a jet's constituents.

    It is a layer without parameters. What comes out are :math:`\Delta\eta, \Delta\phi` first, then
    five more (see the module), then all features of the objects that are no components of momenta.
    Momenta are read as the head was given them, in GeV: no norm or preprocessing may have changed
    them, but a common factor only shifts the logarithms.

    Args:
        n_fpv: Number of features of an object.
        feats_per_vec: Names of the features of an object; ``px, py, pz, E`` are among them.

    Raises:
        ConfigError: If a component is missing.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import ConstituentFeatures
        >>> momenta = torch.tensor([[[100.0, 0.0, 0.0, 100.0], [99.5, 9.98, 0.0, 100.0]]])
        >>> features = ConstituentFeatures(4, ["px", "py", "pz", "E"])(
        ...     momenta, torch.ones(1, 2).bool(), momenta
        ... )
        >>> features[0, :, 1]  # delta phi
        tensor([-0.0500,  0.0500])
    """

    reads_matrix_alone = True

    def __init__(self, n_fpv: int, feats_per_vec: Sequence[str]) -> None:
        super().__init__(n_fpv)
        columns = momentum_columns(feats_per_vec, "constituent_features")
        rest = [i for i in range(len(feats_per_vec)) if i not in columns]
        self._columns: Tensor
        self._rest: Tensor
        self.register_buffer("_columns", torch.tensor(columns), persistent=False)
        self.register_buffer("_rest", torch.tensor(rest, dtype=torch.long), persistent=False)

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn the matrix ``(B, N, F)`` into features ``(B, N, F + 3)``.

        They are 0 for absent objects, whatever ``x``.
        """
        momenta = matrix.index_select(-1, self._columns)
        features = seen_from_the_jet(momenta, mask)
        return only_present(torch.cat((features, matrix.index_select(-1, self._rest)), dim=-1), mask)

    def get_out_size(self) -> int:
        """Give the number of features of an object."""
        return 7 + len(self._rest)


def momentum_columns(feats_per_vec: Sequence[str], who: str) -> list[int]:
    """Find the columns of ``px, py, pz, E``.

    Args:
        feats_per_vec: Names of the features of an object.
        who: What needs them, for the message.

    Raises:
        ConfigError: If one is missing.

    Example:
        >>> from lumin_plugin_gnn.constituent_features import momentum_columns
        >>> momentum_columns(["E", "px", "py", "pz", "charge"], "constituent_features")
        [1, 2, 3, 0]
    """
    if missing := [name for name in COMPONENTS if name not in feats_per_vec]:
        raise ConfigError(
            f"{who} needs the 4-momenta {', '.join(COMPONENTS)} among feats_per_vec; {', '.join(missing)} missing in "
            f"{list(feats_per_vec)}"
        )
    return [list(feats_per_vec).index(name) for name in COMPONENTS]


def pt_eta_phi(momenta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return transverse momentum, pseudorapidity and azimuth.

    Gradients are finite, 0 where the momentum is.

    Args:
        momenta: Shape ``(*, 4)``: px, py, pz, E in GeV.

    Returns:
        Each of shape ``(*)``, in GeV and rad: the transverse momentum at least 1e-8 GeV, with which
        pseudorapidity stays finite along the beam, and the azimuth in [-pi, pi].

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.constituent_features import pt_eta_phi
        >>> [round(float(v), 3) for v in pt_eta_phi(torch.tensor([3.0, 4.0, 5.0, 8.0]))]
        [5.0, 0.881, 0.927]
    """
    px, py, pz, _ = momenta.unbind(-1)
    transverse = px.square() + py.square()
    some = transverse > SMALL**2
    pt = torch.where(some, transverse, SMALL**2).sqrt()
    return pt, asinh(pz / pt), _azimuth(torch.where(some, px, 1), torch.where(some, py, 0))


def asinh(x: Tensor) -> Tensor:
    """Compute the inverse hyperbolic sine by what ONNX runtimes have for doubles.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.constituent_features import asinh
        >>> asinh(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.8814,  0.0000,  0.8814])
    """
    size = torch.where(x < 0, -x, x)
    result = (size + (size.square() + 1).sqrt()).log()
    return torch.where(x < 0, -result, result)


def _azimuth(px: Tensor, py: Tensor) -> Tensor:
    """Compute an azimuth in [-pi, pi]: by single precision, and a step of Newton's in theirs.

    ONNX runtimes have no arc tangent of doubles.
    """
    near = torch.atan2(py.float(), px.float()).detach().to(px.dtype)
    return near + (py * near.cos() - px * near.sin()) / (px.square() + py.square()).sqrt()


def wrapped(angle: Tensor) -> Tensor:
    """Bring differences of angles into [-pi, pi), in rad.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.constituent_features import wrapped
        >>> wrapped(torch.tensor([3.5, -3.5]))
        tensor([-2.7832,  2.7832])
    """
    return torch.remainder(angle + pi, 2 * pi) - pi


def seen_from_the_jet(momenta: Tensor, mask: Tensor) -> Tensor:
    """Compute the seven features of the module's docstring.

    Args:
        momenta: Shape ``(B, N, 4)``, 0 for absent constituents.
        mask: Shape ``(B, N)``, true = present.

    Returns:
        Shape ``(B, N, 7)``, finite; useless for absent constituents.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.constituent_features import seen_from_the_jet
        >>> seen_from_the_jet(torch.tensor([[[1.0, 0.0, 0.0, 1.0]]]), torch.ones(1, 1).bool()).shape
        torch.Size([1, 1, 7])
    """
    dtype, momenta = momenta.dtype, in_doubles(momenta)
    jet = only_present(momenta, mask).sum(1, keepdim=True)
    pt, eta, phi = pt_eta_phi(momenta)
    jet_pt, jet_eta, jet_phi = pt_eta_phi(jet)
    energy, jet_energy = momenta[..., 3].clamp_min(SMALL), jet[..., 3].clamp_min(SMALL)
    d_eta, d_phi = eta - jet_eta, wrapped(phi - jet_phi)
    log_pt, log_energy = pt.log(), energy.log()
    features = (
        d_eta,
        d_phi,
        0.7 * (log_pt - 1.7),
        0.7 * (log_energy - 2),
        0.7 * (log_pt - jet_pt.log() + 4.7),
        0.7 * (log_energy - jet_energy.log() + 4.7),
        4 * ((d_eta.square() + d_phi.square()).clamp_min(SMALL**2).sqrt() - 0.2),
    )
    return torch.stack(features, dim=-1).to(dtype)
