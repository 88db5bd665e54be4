"""Categories that are taken away at random, so that the row of unknown ones is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lumin_core.model.embedding import CatEmbedder


class CategoryDropout(nn.Module):
    """Replaces codes by that of their feature's unknown category, at random, in training alone.

    Each code is replaced on its own, with probability ``unknown_rate``; the embedding's last row
    then learns what is best said of an event whose category is not known. A head that embeds puts
    it before the look-up. Random numbers are drawn on the device of the codes, as for dropout.

    Args:
        embedder: The categorical features, and the rate; those without such a code stay.

    Example:
        >>> import torch
        >>> from lumin_core import CatEmbedder
        >>> from lumin_core.model import CategoryDropout
        >>> embedder = CatEmbedder(
        ...     ["charge", "lepton"], [2, 3], unknown_feats=["lepton"], unknown_rate=0.9
        ... )
        >>> _ = torch.manual_seed(1)
        >>> CategoryDropout(embedder)(torch.tensor([[0, 0], [1, 1]])).tolist()
        [[0, 2], [1, 2]]
    """

    def __init__(self, embedder: CatEmbedder) -> None:
        super().__init__()
        rates = [embedder.unknown_rate if name in embedder.unknown_feats else 0.0 for name in embedder.cat_names]
        self._rates: Tensor
        self._unknown: Tensor
        self.register_buffer("_rates", torch.tensor(rates), persistent=False)
        self.register_buffer("_unknown", torch.tensor(embedder.cat_szs, dtype=torch.long) - 1, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Replace some of the codes, int64, shape ``(B, n_cat)``."""
        if not self.training:
            return codes
        return torch.where(torch.rand(codes.shape, device=codes.device) < self._rates, self._unknown, codes)
