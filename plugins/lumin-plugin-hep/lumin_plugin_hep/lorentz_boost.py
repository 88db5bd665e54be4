"""A head that boosts learned particles into learned rest frames.

Features of them are given by fixed formulas.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_plugin_hep.boost_head import LorentzBoostHead
from lumin_plugin_hep.four_momentum import pair_cosines
from lumin_plugin_hep.masked_norm import MaskedBatchNorm1d

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lumin_core.model import Inputs


def momenta_and_cosines(momenta: Tensor) -> Tensor:
    """Give the features that are extracted by default: the momenta, then the cosines of all pairs.

    Args:
        momenta: ``(px, py, pz, E)`` [GeV] of the boosted particles, shape ``(B, P, 4)``.

    Returns:
        Shape ``(B, 4 P + P (P - 1) / 2)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.lorentz_boost import momenta_and_cosines
        >>> momenta_and_cosines(torch.tensor([[[3.0, 0.0, 0.0, 3.0], [0.0, 0.0, 1.0, 2.0]]]))
        tensor([[3., 0., 0., 3., 0., 0., 1., 2., 0.]])
    """
    return torch.cat((momenta.flatten(1), pair_cosines(momenta)), dim=1)


class LorentzBoostNet(LorentzBoostHead):
    r"""Learns particles and rest frames, and gives features of the particles boosted into these.

    For how they are learned, and what keeps them finite, see `lumin_plugin_hep.boost_head`. Momenta
    are to come in GeV as they are, not standardised, which would make them unphysical; energies
    below the momentum, and those for which there is no column, are raised to it. Absent objects
    enter nothing. An event without any object has the features of momenta 0, and is left out of the
    statistics of the batch norm.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the
            columns of flat inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: ``px``, ``py``, ``pz`` and, optionally, ``E``, in the order of the matrix.
        n_particles: Number :math:`P` of particles, and of frames, that are learned.
        feat_extractor: From boosted momenta :math:`(p_x, p_y, p_z, E)`, shape ``(B, P, 4)``, to
            features ``(B, F)``: a function, or the class (or a partial) of a module, which is
            constructed with ``n_particles``. It has to be finite, and its derivatives, for momenta
            0 too. By default the momenta and the cosines of the angles of all pairs,
            :math:`4 P + P (P - 1) / 2` features.
        bn: Whether to normalise the features.
        row_wise: Whether an object is a row of a matrix, or a column.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If ``n_particles`` is not positive, the features of an object are others, or
            the feature extractor is no such thing or does not give ``(B, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep import LorentzBoostNet
        >>> head = LorentzBoostNet([], ["tau", "jet"], ["px", "py", "pz", "E"], n_particles=3)
        >>> head(torch.ones(5, 2, 4)).shape
        torch.Size([5, 15])
        >>> def energies(momenta):
        ...     return momenta[..., 3]
        >>> LorentzBoostNet([], ["tau"], ["px", "py", "pz"], 3, feat_extractor=energies)(
        ...     torch.ones(5, 1, 3)
        ... ).shape
        torch.Size([5, 3])

    References:
        Erdmann et al., https://arxiv.org/abs/1812.09722. One frame a particle; ours has its
        guards, and masks.
    """

    example_options: ClassVar[Mapping[str, object]] = {"n_particles": 2}

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        n_particles: int,
        feat_extractor: Callable[..., Tensor | nn.Module] | None = None,
        bn: bool = True,
        row_wise: bool = True,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, n_particles, row_wise)
        self.feat_extractor = _extractor(feat_extractor, self.n_particles)
        self.n_out = _width(self.feat_extractor, self.n_particles)
        self.bn = MaskedBatchNorm1d(self.n_out) if bn else None
        self.feat_map = self.map_to_all()
        if freeze:
            self.freeze_layers()

    def forward(self, x: Inputs) -> Tensor:
        """Turn what `MatrixHead.get_matrix` takes into features ``(B, get_out_size())``."""
        if self.feat_extractor is momenta_and_cosines:
            momenta, present = self.get_precise(x)
            features = momenta_and_cosines(momenta).to(self.weight.dtype)
        else:
            momenta, present = self.get_boosted(x)
            features = self.feat_extractor(momenta)
        return features if self.bn is None else self.bn(features, present)

    def get_out_size(self) -> int:
        """Give the number of features."""
        return self.n_out


def _extractor(spec: object, n_particles: int) -> Callable[[Tensor], Tensor]:
    """Give the function, or the module that a class makes."""
    if spec is None:
        return momenta_and_cosines
    if isinstance(spec, nn.Module) or not callable(spec):
        msg = "feat_extractor must be a function of momenta (B, n_particles, 4), or a module's class or partial, "
        msg += f"not a module, which all models would share, got {spec!r}"
        raise ConfigError(msg)
    inner = spec.func if isinstance(spec, partial) else spec
    made: Callable[[Tensor], Tensor] = spec(n_particles=n_particles) if isinstance(inner, type) else spec
    return made


def _width(extractor: Callable[[Tensor], Tensor], n_particles: int) -> int:
    """Give the number of features, by a look at those of two events."""
    momenta = torch.tensor([1.0, 0.0, 0.0, 2.0]).expand(2, n_particles, 4)
    with torch.no_grad():
        features = deepcopy(extractor).eval()(momenta) if isinstance(extractor, nn.Module) else extractor(momenta)
    if not isinstance(features, Tensor) or features.dim() != 2 or len(features) != 2 or features.shape[1] < 1:
        got = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else repr(features)
        msg = f"feat_extractor must turn momenta (B, {n_particles}, 4) into features (B, F), got {got} of B = 2"
        raise ConfigError(msg)
    return features.shape[1]
