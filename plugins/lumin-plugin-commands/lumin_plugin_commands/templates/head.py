"""A head: the features times a scale that is learned, and embeddings of the categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core import Head
from lumin_core.model import CategoryDropout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core import CatEmbedder


class ExampleHead(Head):
    """Scales each continuous feature, and looks up an embedding of each categorical one.

    Args:
        cont_feats: Names of the continuous features, the first columns of the inputs.
        cat_embedder: The categorical features, the last columns, and the sizes of embeddings.
        scale: What the scales begin with.
        freeze: Whether nothing of it is trained.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> head = {"name": "example_head", "scale": 0.5}
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"], head=head))
        >>> model.head.get_out_size()
        2
    """

    def __init__(
        self,
        cont_feats: Sequence[str],
        cat_embedder: CatEmbedder | None = None,
        scale: float = 1.0,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, cat_embedder)
        sizes = [] if cat_embedder is None else list(cat_embedder)
        self.scale = nn.Parameter(torch.full((len(self.cont_feats),), float(scale)))
        self.tables = nn.ModuleList(nn.Embedding(n_codes, width) for _, n_codes, width in sizes)
        self.dropout = nn.Identity() if not sizes or cat_embedder is None else CategoryDropout(cat_embedder)
        widths = [1] * len(self.cont_feats) + [width for _, _, width in sizes]
        self.width = sum(widths)
        columns = iter(range(self.width))
        feats = [*self.cont_feats, *self.cat_feats]
        self.feat_map = {feat: [next(columns) for _ in range(n)] for feat, n in zip(feats, widths, strict=True)}
        if freeze:
            self.freeze_layers()

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_cont + n_cat)``, categories as codes, into ``(B, get_out_size())``."""
        n_cont = len(self.cont_feats)
        parts = [x[:, :n_cont] * self.scale]
        if len(self.tables):
            codes = self.dropout(x[:, n_cont:]).long()
            parts += [table(codes[:, i]) for i, table in enumerate(self.tables)]
        return torch.cat(parts, dim=1)

    def get_out_size(self) -> int:
        """Return the number of continuous features plus the widths of all embeddings."""
        return self.width
