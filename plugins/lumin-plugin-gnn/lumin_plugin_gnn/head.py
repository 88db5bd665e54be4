"""A head for sets and graphs of objects: extractors one behind the other, then a collapser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_core.model import LCBatchNorm1d, LookupAct, LookupInit, MatrixHead, NormSpec, lookup_act, normal_initialiser
from lumin_core.registry import build
from lumin_plugin_gnn.layers import mean, only_present

if TYPE_CHECKING:
    from lumin_core.model import Inputs


class GNNHead(MatrixHead):
    """Computes new features of every object, and from these those of the event.

    An object's come from those of all objects.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the
            columns of flat inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: Names of the features of an object.
        extractor: What computes the features of objects, a component of the kind
            ``graph_extractors`` by name, dict, class or partial; or a list of such, which work one
            behind the other.
        collapser: What computes the features of the event, a component of the kind
            ``graph_collapsers``.
        use_in_bn: Whether to normalise the features of the objects first.
        cat_means: Whether every object gets the means over all objects as further features.
        row_wise: Whether matrices come as ``(B, N, F)``, an object a row, or as ``(B, F, N)``.
        bn_class: The norm of ``use_in_bn``.
        lookup_init: Gives the initialiser of the weights for an activation; extractors and
            collapser get it.
        lookup_act: Gives the activation layer by its name; extractors and collapser get it.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If there is no extractor, an option is none of a part's, or something stands in
            front of an extractor that reads the matrix alone.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import GNNHead
        >>> vecs = [f"const_{i}" for i in range(20)]
        >>> head = GNNHead(
        ...     [],
        ...     vecs,
        ...     ["px", "py", "pz", "E"],
        ...     extractor=["constituent_features", "interaction_net"],
        ... )
        >>> momenta = torch.rand(8, 20, 4) + torch.tensor([50.0, 0.0, 0.0, 60.0])
        >>> momenta[:, 12:] = torch.nan  # absent
        >>> head(momenta).shape == (8, head.get_out_size())
        True

    References:
        Battaglia et al., https://arxiv.org/abs/1612.00222; Strong,
        https://github.com/GilesStrong/lumin (the scheme)
    """

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        extractor: object = "gnn/interaction_net",
        collapser: object = "gnn/graph_collapser",
        use_in_bn: bool = False,
        cat_means: bool = False,
        row_wise: bool = True,
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.cat_means = cat_means
        self.bn = LCBatchNorm1d(bn_class, self.n_fpv) if use_in_bn else None
        given = {"n_v": self.n_v, "lookup_init": lookup_init, "lookup_act": lookup_act}
        self.extractors = nn.ModuleList()
        width = self.n_fpv * (2 if cat_means else 1)
        for spec in _specs(extractor):
            part = build("graph_extractor", spec, n_fpv=width, feats_per_vec=self.feats_per_vec, **given)
            if part.reads_matrix_alone and (self.extractors or use_in_bn or cat_means):
                raise ConfigError(
                    f"{type(part).__name__} reads the objects as they came, so what stands in front has no effect: "
                    "name it first in extractor, without use_in_bn and cat_means"
                )
            self.extractors.append(part)
            width = part.get_out_size()
        self.collapser = build("graph_collapser", collapser, n_fpv=width, **given)
        self.feat_map = self.map_to_all()
        if freeze:
            self.freeze_layers()

    def forward(self, x: Inputs) -> Tensor:
        """Turn a matrix, flat inputs or both into ``(B, get_out_size())``.

        A matrix comes alone or behind flat inputs; flat inputs alone hold it.
        """
        matrix, mask = self.get_matrix(x)
        matrix = only_present(matrix, mask)
        feats = matrix if self.bn is None else self.bn(matrix, mask)
        if self.cat_means:
            means = mean(feats, mask).unsqueeze(1).expand_as(feats)
            feats = only_present(torch.cat((feats, means), dim=-1), mask)
        for extractor in self.extractors:
            feats = extractor(feats, mask, matrix)
        collapsed: Tensor = self.collapser(feats, mask)
        return collapsed

    def get_out_size(self) -> int:
        """Give the number of columns of the output."""
        return int(self.collapser.get_out_size())


def _specs(extractor: object) -> list[object]:
    specs = list(extractor) if isinstance(extractor, Sequence) and not isinstance(extractor, str) else [extractor]
    if not specs:
        raise ConfigError(
            'extractor must name at least one graph extractor, as in ["constituent_features", "edge_conv"]'
        )
    return specs
