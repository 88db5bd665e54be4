"""A head that boosts learned particles into learned rest frames.

It learns what to make of them, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from lumin_core.checks import positive
from lumin_core.errors import ConfigError
from lumin_core.model import dense_stack, lookup_act, normal_initialiser
from lumin_plugin_hep.boost_head import LorentzBoostHead
from lumin_plugin_hep.masked_norm import MaskedBatchNorm1d

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.model import Inputs, LookupAct, LookupInit, Spec


class AutoExtractLorentzBoostNet(LorentzBoostHead):
    r"""Learns particles and rest frames, and networks that make features of these.

    There is one of each boosted particle and one of each pair. With the boosted momenta
    :math:`b_i`, each of their :math:`4 P` components normalised over the batch, the features are
    :math:`f(b_i)` of every particle, then :math:`g(b_i, b_j)` of every pair :math:`i < j`. One
    network :math:`f` serves all particles, one :math:`g` all pairs. Momenta, absent objects and
    events without any are treated as in `LorentzBoostNet`.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the
            columns of flat inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: ``px``, ``py``, ``pz`` and, optionally, ``E``, in the order of the matrix.
        n_particles: Number :math:`P` of particles, and of frames, that are learned.
        depth: Number of dense layers of each network, the one that gives the features included.
        width: Columns of the layers before that.
        n_singles: Number of features of each particle; 0 for none.
        n_pairs: Number of features of each pair; 0 for none.
        act: The activation, behind the last layer too.
        do: Dropout rate, in [0, 1).
        bn: Whether to normalise within the networks; what goes into them always is.
        row_wise: Whether an object is a row of a matrix, or a column.
        lookup_init: Gives the initialiser of the networks' weights for an activation.
        lookup_act: Gives the activation layer by its name.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If a size is not positive, the dropout rate is out of range, the features of an
            object are others, or nothing is to be extracted.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep import AutoExtractLorentzBoostNet
        >>> head = AutoExtractLorentzBoostNet(
        ...     [],
        ...     ["tau", "jet"],
        ...     ["px", "py", "pz", "E"],
        ...     n_particles=3,
        ...     depth=2,
        ...     width=10,
        ...     n_singles=2,
        ...     n_pairs=1,
        ... )
        >>> head(torch.ones(5, 2, 4)).shape
        torch.Size([5, 9])
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "n_particles": 2,
        "depth": 2,
        "width": 4,
        "n_singles": 2,
        "n_pairs": 2,
    }

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        n_particles: int,
        depth: int,
        width: int,
        n_singles: int = 0,
        n_pairs: int = 0,
        act: Spec = "core/swish",
        do: float = 0,
        bn: bool = False,
        row_wise: bool = True,
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, n_particles, row_wise)
        pairs = torch.triu_indices(self.n_particles, self.n_particles, 1)  # (2, n_combinations)
        _check(n_singles, n_pairs, pairs.shape[1])
        hidden = [positive(width, "width")] * (positive(depth, "depth") - 1)
        layers: dict[str, Any] = {"act": act, "do": do, "bn": bn, "bn_class": MaskedBatchNorm1d}
        layers |= {"lookup_init": lookup_init, "lookup_act": lookup_act}
        self.pre_bn = MaskedBatchNorm1d(4 * self.n_particles)
        self.single_nn = dense_stack([4, *hidden, n_singles], **layers) if n_singles else None
        self.pair_nn = dense_stack([8, *hidden, n_pairs], **layers) if n_pairs else None
        self._pairs: Tensor
        self.register_buffer("_pairs", pairs.T.flatten(), persistent=False)  # first and second of each pair in turns
        self.n_out = n_singles * self.n_particles + n_pairs * pairs.shape[1]
        self.feat_map = self.map_to_all()
        if freeze:
            self.freeze_layers()

    def forward(self, x: Inputs) -> Tensor:
        """Turn what `MatrixHead.get_matrix` takes into features ``(B, get_out_size())``."""
        momenta, present = self.get_boosted(x)
        momenta = self.pre_bn(momenta.flatten(1), present).view(momenta.shape)
        features = []
        if self.single_nn is not None:
            features.append(_apply(self.single_nn, momenta, present).flatten(1))
        if self.pair_nn is not None:
            pairs = momenta.index_select(1, self._pairs).unflatten(1, (-1, 2)).flatten(2)
            features.append(_apply(self.pair_nn, pairs, present).flatten(1))
        return torch.cat(features, dim=1)

    def get_out_size(self) -> int:
        """Give the number of features of all particles and pairs."""
        return self.n_out


def _apply(network: nn.Sequential, x: Tensor, present: Tensor) -> Tensor:
    """Pass ``(B, *, F)`` through the layers; norms are told which events count."""
    for layer in network.children():
        for step in layer.children():
            x = step(x, present) if isinstance(step, MaskedBatchNorm1d) else step(x)
    return x


def _check(n_singles: int, n_pairs: int, n_combinations: int) -> None:
    if min(n_singles, n_pairs) < 0 or n_singles + n_pairs == 0:
        msg = "give n_singles, n_pairs or both: the number of features to learn of each particle and of each pair, "
        raise ConfigError(f"{msg}got {n_singles} and {n_pairs}")
    if n_pairs and not n_combinations:
        raise ConfigError("one particle makes no pair: give n_particles of at least 2, or n_pairs=0")
