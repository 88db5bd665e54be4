r"""LorentzNet: scalars and 4-momenta of objects, updated by messages that know only of invariants.

Of scalars :math:`h_i` and 4-momenta :math:`x_i`, with the metric
:math:`(+, -, -, -)`, a block makes

.. math::
    m_{ij} &= \phi_e\left(
        h_i, h_j, \psi(\|x_i - x_j\|^2), \psi(\langle x_i, x_j \rangle)\right), \qquad
    \psi(z) = \mathrm{sgn}(z) \ln(|z| + 1) \\
    x_i' &= x_i + c \sum_{j \neq i} \phi_x(m_{ij})\, x_j \\
    h_i' &= h_i + \phi_h\Big(h_i, \sum_{j \neq i} \phi_m(m_{ij})\, m_{ij}\Big)

over the present objects :math:`j`, with :math:`\phi_m` in [0, 1] and :math:`z` in GeV². So momenta
turn with the frame of reference, and scalars stay. :math:`\phi_e` is linear, norm, activation,
linear, activation; :math:`\phi_h` linear, norm, activation, linear; :math:`\phi_x` linear,
activation, linear; :math:`\phi_m` linear, sigmoid. The first layer of :math:`\phi_e` has a part for
the receiver and one for the sender, which are computed for objects and added for pairs.

The settings are those of the authors for top tagging, :math:`c = 0.005` among them (for quarks
against gluons they take 0.001). What follows there, the mean over objects and dense layers with a
dropout of 0.2, is left to collapser and body.

References:
    Gong et al., https://arxiv.org/abs/2201.08187; the settings, not the code:
    https://github.com/sdogsq/LorentzNet-release
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lumin_core.checks import check_positive
from lumin_core.model import lookup_act, normal_initialiser
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.constituent_features import momentum_columns
from lumin_plugin_gnn.layers import in_doubles, only_present, preset_of
from lumin_plugin_gnn.lorentz_block import LorentzBlock, dense, product, psi
from lumin_plugin_gnn.ordered_pairs import GridOfPairs, ListedPairs, OrderedPairs
from lumin_plugin_gnn.pairs import PAIRS_PER_PIECE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec

PRESETS: dict[str, dict[str, int]] = {"paper": {"width": 72, "n_layers": 6}, "lite": {"width": 16, "n_layers": 2}}
BEAMS = ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, -1.0, 1.0))
"""Of each beam px, py, pz, E in GeV."""


class LorentzNet(Extractor):
    r"""Computes features of objects that do not change with the frame of reference.

    The first scalars of an object are :math:`\psi(m^2)` and all features that the head was given
    besides the momentum, which thus must be invariants, such as charges, and of order one. No
    extractor stands in front, for what it makes may be none. Momenta are read as the head was given
    them, in GeV, changed by no preprocessing.

    Without beams, features are the same after any boost, rotation or reflection of the event. The
    beams are two more objects, massless, of 1 GeV, along and against z, with a mark among their
    scalars; they are not in the output. With them the same holds for rotations about z and
    reflections in x, y and z alone, not for boosts along z, which scale the beams' energies by
    :math:`e^{\pm y}` while the beams here stay as they are. Detectors and the finding of jets have
    no more symmetry than that, and the authors tag tops with beams (theirs have a mass of 1 GeV).

    Momenta are kept in double precision where the device has it: invariants are small differences
    of large squares. Training holds every pair in memory, some seven numbers a block for
    each of the width.

    Args:
        n_fpv: Number of features of an object, which are not looked at.
        feats_per_vec: Names of the features that the head was given; ``px, py, pz, E`` in GeV
            are among them.
        preset: ``"paper"`` (6 blocks of width 72) or ``"lite"`` (2 of width 16), for what is
            ``None`` below.
        width: Number of scalars of an object, and width of all layers.
        n_layers: Number of blocks.
        c_weight: The factor :math:`c` of the change of momenta.
        beams: Whether the beams are objects, too.
        act: Activation.
        bn_class: The norm of the first layers of messages and of new scalars.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If the preset is unknown, width or number of blocks is not positive, or
            momenta are missing.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import LorentzNet
        >>> momenta = torch.rand(2, 5, 4) + torch.tensor([0, 0, 0, 2.0])
        >>> mask = torch.ones(2, 5, dtype=torch.bool)
        >>> net = LorentzNet(4, ["px", "py", "pz", "E"], preset="lite", beams=False).eval()
        >>> features = net(momenta, mask, momenta)
        >>> features.shape
        torch.Size([2, 5, 16])
        >>> turned = momenta[..., [1, 2, 0, 3]]
        >>> torch.allclose(net(turned, mask, turned), features, atol=1e-5)
        True

    References:
        Gong et al., https://arxiv.org/abs/2201.08187
    """

    reads_matrix_alone = True

    def __init__(
        self,
        n_fpv: int,
        feats_per_vec: Sequence[str],
        preset: Literal["paper", "lite"] = "paper",
        width: int | None = None,
        n_layers: int | None = None,
        c_weight: float = 5e-3,
        beams: bool = True,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_fpv)
        settings = preset_of(preset, PRESETS)
        self.width = settings["width"] if width is None else width
        n_layers = settings["n_layers"] if n_layers is None else n_layers
        check_positive(width=self.width, n_layers=n_layers)
        columns = momentum_columns(feats_per_vec, "lorentz_net")
        rest = [i for i in range(len(feats_per_vec)) if i not in columns]
        self._columns: Tensor
        self._rest: Tensor
        self._beams: Tensor
        self.register_buffer("_columns", torch.tensor(columns), persistent=False)
        self.register_buffer("_rest", torch.tensor(rest, dtype=torch.long), persistent=False)
        self.register_buffer("_beams", torch.tensor(BEAMS if beams else ()).view(-1, 4), persistent=False)
        self.embedding = dense(1 + len(rest) + beams, self.width, "linear", lookup_init)
        options: dict[str, Any] = {
            "act": act,
            "bn_class": bn_class,
            "lookup_init": lookup_init,
            "lookup_act": lookup_act,
        }
        factors = [c_weight] * (n_layers - 1) + [0.0]  # momenta behind the last block are of no use
        self.blocks = nn.ModuleList(LorentzBlock(self.width, factor, **options) for factor in factors)

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn the matrix ``(B, N, F)`` into scalars ``(B, N, width)``.

        They are 0 for absent objects, whatever ``x``.
        """
        if self.training:  # norms take their statistics from all pairs that count
            return self._scalars(mask, matrix, ListedPairs)
        if torch.compiler.is_compiling():
            return self._scalars(mask, matrix, GridOfPairs)
        n_events = max(PAIRS_PER_PIECE.get(mask.device.type, 2**20) // max(mask.shape[1], 1) ** 2, 1)
        pieces = zip(mask.split(n_events), matrix.split(n_events), strict=True)
        return torch.cat([self._scalars(*piece, GridOfPairs) for piece in pieces])

    def get_out_size(self) -> int:
        """Give the number of scalars of an object."""
        return self.width

    def _scalars(self, mask: Tensor, matrix: Tensor, layout: type[OrderedPairs]) -> Tensor:
        momenta = in_doubles(matrix.index_select(-1, self._columns))
        mass2 = product(momenta, momenta).to(matrix.dtype)
        h = torch.cat((psi(mass2).unsqueeze(-1), matrix.index_select(-1, self._rest)), dim=-1)
        h, momenta, present = self._with_beams(h, momenta, mask) if len(self._beams) else (h, momenta, mask)
        pairs, h = layout(present), self.embedding(h)
        for block in self.blocks:
            h, momenta = block(h, momenta, present, pairs)
        return only_present(h[:, : mask.shape[1]], mask)

    def _with_beams(self, h: Tensor, momenta: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Append the beams to the objects of every event that has any.

        A column of scalars marks them.
        """
        n_events = h.shape[0]  # len() would fix it in an exported graph
        marks = pad(h.new_ones(n_events, 2, 1), (h.shape[-1], 0))  # their masses are 0
        beams = self._beams.to(momenta.dtype).expand(n_events, -1, -1)
        present = mask.any(1, keepdim=True).expand(-1, 2)
        return torch.cat((pad(h, (0, 1)), marks), 1), torch.cat((momenta, beams), 1), torch.cat((mask, present), 1)
