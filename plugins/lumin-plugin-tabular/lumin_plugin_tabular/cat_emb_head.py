"""The default head: continuous features as they are, categorical ones through learned embeddings.

References:
    Guo and Berkhahn, "Entity embeddings of categorical variables", https://arxiv.org/abs/1604.06737
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_plugin_tabular.categorical_head import CategoricalHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import CatEmbedder


class CatEmbHead(CategoricalHead):
    """Gives the continuous features and, behind them, the embeddings of the categorical ones.

    Where a feature has a code for unknown categories, training replaces codes by it at the rate
    that the embedder says, and so trains its row.

    Args:
        cont_feats: Names of the continuous features, the first columns of the inputs.
        do_cont: Dropout rate of the continuous features, in [0, 1).
        do_cat: Dropout rate of the embeddings, in [0, 1).
        cat_embedder: The categorical features, the last columns of the inputs, and the sizes of
            their embeddings.
        freeze: Whether the embeddings stay as they are.

    Raises:
        ConfigError: If a rate is out of range, or there is no feature.
        SavedModelError: If the embedder names a file of embeddings that does not fit.

    Example:
        >>> import torch
        >>> from lumin_core import CatEmbedder
        >>> from lumin_plugin_tabular import CatEmbHead
        >>> head = CatEmbHead(["pt", "eta"], cat_embedder=CatEmbedder(["n_jets"], [5]))
        >>> head(torch.tensor([[30.0, 1.2, 4.0]])).shape
        torch.Size([1, 5])
        >>> head.feat_map
        {'pt': [0], 'eta': [1], 'n_jets': [2, 3, 4]}
    """

    def __init__(
        self,
        cont_feats: Sequence[str],
        do_cont: float = 0,
        do_cat: float = 0,
        cat_embedder: CatEmbedder | None = None,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, cat_embedder, do_cont=do_cont, do_cat=do_cat)
        if freeze:
            self.freeze_layers()
