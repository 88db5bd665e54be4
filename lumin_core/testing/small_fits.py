"""Small trainings, for what is looked at in the loop: blocks that need no plugin, tiny data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lumin_core.model.blocks import Body, Head, Tail
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.members import mean_of_members
from lumin_core.testing import samples
from lumin_core.training.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.blocks import Inputs
    from lumin_core.model.embedding import CatEmbedder

BATCH_SIZE = 8
_SCALE = 0.1  # of the samples' momenta, which are of some GeV


class PlainHead(Head):
    """Hands on all that it is given, objects one behind the other."""

    def __init__(self, cont_feats: Sequence[str], cat_embedder: CatEmbedder | None = None) -> None:
        super().__init__(cont_feats, cat_embedder)
        self.feat_map = {feat: list(range(self.get_out_size())) for feat in [*self.cont_feats, *self.cat_feats]}

    def forward(self, x: Inputs) -> Tensor:
        """Turn the inputs into ``(B, F)``, 0 where an object is absent."""
        parts = [x] if isinstance(x, Tensor) else [x[0], x[1].flatten(1)]
        return _SCALE * torch.cat(parts, 1).nan_to_num()

    def get_out_size(self) -> int:
        """Give the number of features."""
        return len(self.cont_feats) + len(self.cat_feats)


class PlainBody(Body):
    """A dense layer, with a norm and dropout: statistics and random numbers, as real ones have."""

    def __init__(self, n_in: int, feat_map: dict[str, list[int]], width: int = 4) -> None:
        super().__init__(n_in, feat_map)
        self.width = width
        self.layer = nn.Sequential(nn.Linear(n_in, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Dropout(0.2))

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into ``(B, width)``."""
        hidden: Tensor = self.layer(x)
        return hidden

    def get_out_size(self) -> int:
        """Give the width."""
        return self.width


class PlainTail(Tail):
    """A dense layer, one for all members, and what the objective asks for behind it."""

    def __init__(self, n_in: int, n_out: int, objective: str, members: int = 1) -> None:
        super().__init__(n_in, n_out, objective)
        self.members = members
        self.layer = nn.Linear(n_in // members, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into ``(B, n_out)``, in training that of each member."""
        outputs = self.of_members(x)
        if self.members > 1 and self.training:
            return outputs
        return mean_of_members(outputs, self.objective)

    def of_members(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into ``(B, members, n_out)``."""
        out: Tensor = self.layer(x.unflatten(1, (self.members, -1)))
        if self.objective == "regression":
            return out
        return out.log_softmax(-1) if self.objective == "multiclass" else out.sigmoid()


def small_model(fy: FoldYielder, objective: str = "classification", n_out: int = 1, **options: Any) -> Model:
    """Return a model for the samples, always the same.

    Args:
        fy: The data.
        objective: Of the model.
        n_out: Number of outputs.
        **options: Further ones of the builder.

    Example:
        >>> from lumin_core.testing.small_fits import small_model
        >>> from lumin_core.testing import samples
        >>> with samples.fold_yielder() as fy:
        ...     small_model(fy).n_out
        1
    """
    chosen = {"head": PlainHead, "body": PlainBody, "tail": PlainTail, "seed": 1, "n_out": n_out, **options}
    builder = ModelBuilder.from_fy(fy, objective, **chosen)
    return Model(builder, device="cpu")


def fit(model: Model, fy: FoldYielder, n_epochs: int = 1, cbs: object = None, **options: Any) -> Model:
    """Train a model on all folds but the last, which is for validation, with one seed.

    Args:
        model: The model.
        fy: The data.
        n_epochs: Number of epochs.
        cbs: Callbacks.
        **options: Others of `Model.fit`.

    Returns:
        The model.
    """
    chosen: dict[str, Any] = {
        "val_idx": len(fy) - 1,
        "seed": 5,
        "visible_bar": False,
        "cb_savepath": samples.folder(),
    } | options
    model.fit(n_epochs, fy, BATCH_SIZE, cbs=cbs, **chosen)
    return model
