"""What a builder shows of itself: inputs, blocks, loss and optimiser, without building anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.display import Displayed, component, count, counted
from lumin_core.model.config import PARTS
from lumin_core.model.loss import AUTO
from lumin_core.model.optimiser import DECAY_GROUPS, decay_groups, optimiser_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lumin_core.display import Row
    from lumin_core.model.embedding import CatEmbedder


class BuilderRows(Displayed):
    """Base of `ModelBuilder`, whose attributes it shows.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> ModelBuilder("regression", 1, ["pt", "eta"], model_args={"body": {"depth": 2}})
        ModelBuilder for regression, 1 output
          continuous  2: pt, eta
          head        tabular/cat_emb_head
          body        tabular/fully_connected: depth 2
          tail        tabular/class_reg_multi
          loss        core/mse_loss
          optimiser   core/adam: lr 0.002
    """

    objective: str
    n_out: int
    cont_feats: list[str]
    cat_embedder: CatEmbedder | None
    specs: dict[str, object]
    loss: object
    opt_args: dict[str, object]
    cont_subsample_rate: float | None
    pretrain_file: Path | None
    freeze: dict[str, bool]
    seed: int | None

    @property
    def cat_feats(self) -> list[str]:
        """Names of the categorical features."""
        return [] if self.cat_embedder is None else list(self.cat_embedder.cat_names)

    def _title(self) -> str:
        return f"{type(self).__name__} for {self.objective}, {count(self.n_out, 'output')}"

    def _rows(self) -> Iterator[Row]:
        yield from input_rows(self)
        yield from ((part, component(self.specs[part])) for part in PARTS)
        yield from training_rows(self, self.opt_args)
        if self.pretrain_file is not None:
            yield "pretrained", str(self.pretrain_file)
        if frozen := [part for part in PARTS if self.freeze[part]]:
            yield "frozen", ", ".join(frozen)
        if self.seed is not None:
            yield "seed", str(self.seed)


def input_rows(builder: BuilderRows) -> Iterator[Row]:
    """Give the rows of a builder's inputs."""
    rate = builder.cont_subsample_rate
    drawn = "" if rate is None else f"; a fraction of {rate:g} for each model"
    if builder.cont_feats:
        yield "continuous", counted(builder.cont_feats) + drawn
    if builder.cat_feats:
        yield "categorical", counted(builder.cat_feats)


def training_rows(builder: BuilderRows, opt_args: Mapping[str, object]) -> Iterator[Row]:
    """Give the rows of loss and optimiser.

    Args:
        builder: The builder.
        opt_args: Its options of the optimiser, or others with another rate.
    """
    is_auto = isinstance(builder.loss, str) and builder.loss == "auto"
    yield "loss", AUTO[builder.objective] if is_auto else component(builder.loss)
    decays = "" if decay_groups(opt_args) == DECAY_GROUPS[0] else "; weight decay on weights alone"
    yield "optimiser", component(optimiser_spec(opt_args)) + decays
