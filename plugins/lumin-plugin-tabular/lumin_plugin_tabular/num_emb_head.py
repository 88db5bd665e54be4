"""A head that embeds numbers: what networks lack beside trees, see `numerical_embedding`.

References:
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep
    learning", https://arxiv.org/abs/2203.05556
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from lumin_core.checks import check_flags, check_keys, did_you_mean, is_number, listed, positive
from lumin_core.errors import ConfigError
from lumin_plugin_tabular.bins import checked_bins, fold_bins
from lumin_plugin_tabular.categorical_head import CategoricalHead
from lumin_plugin_tabular.numerical_embedding import periodic, piecewise_linear

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from lumin_core import FoldYielder
    from lumin_core.model import CatEmbedder

EMBEDDINGS = ("piecewise_linear", "periodic")


class NumEmbHead(CategoricalHead):
    """Gives a learned vector of each continuous feature and, behind them, embedded categories.

    A missing value (NaN) is a value of its own, with its own vector; none is filled. Bins are found
    in the training data: `ModelBuilder.from_fy`, ``train_models`` or the first fit ask for them.

    Args:
        cont_feats: Names of the continuous features, the first columns of the inputs.
        embedding: ``"piecewise_linear"``, in bins, which takes features on any scale; or
            ``"periodic"``, in waves, which wants them scaled.
        width: Width of the vector of each feature.
        n_bins: Largest number of bins of each feature (piecewise linear).
        bins: Feature to the edges of its bins, in the unit of the inputs; those of features that
            are not in it are found. A value beyond the edges is taken for the nearest of them.
        n_frequencies: Number of frequencies of each feature (periodic).
        frequency_init_scale: Spread of the frequencies at the start, per unit of the inputs
            (periodic): the one option of it that is worth tuning, from 0.01 to 1 for features of
            spread 1.
        lite: Whether the linear layer behind the waves is one for all features (periodic).
        activation: Whether a ReLU ends each vector; by default of periodic ones alone.
        with_value: Whether each vector has one more number, the value itself, scaled by median and
            quartiles of the edges and smoothly clipped to ±3 (piecewise linear).
        do_cont: Dropout rate of the vectors of continuous features, in [0, 1).
        do_cat: Dropout rate of the embeddings of categories, in [0, 1).
        cat_init_scale: Spread of the embeddings of categories at the start; those of rare ones stay
            near it, and are noise where it is 1: 0.1 was better by 0.004 in the area of Adult.
        cat_embedder: The categorical features, the last columns of the inputs, and the sizes of
            their embeddings.
        freeze: Whether all embeddings stay as they are.

    Raises:
        ConfigError: If an option is out of range, or bins are no numbers that increase.
        SavedModelError: If the embedder names a file of embeddings that does not fit.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import NumEmbHead
        >>> head = NumEmbHead(["pt", "eta"], width=3, bins={"pt": [20, 40, 90], "eta": [-2.5, 2.5]})
        >>> head(torch.tensor([[30.0, float("nan")]])).shape
        torch.Size([1, 6])
        >>> head.feat_map
        {'pt': [0, 1, 2], 'eta': [3, 4, 5]}
    """

    missing = "keep"

    def __init__(
        self,
        cont_feats: Sequence[str],
        embedding: str = "piecewise_linear",
        width: int = 16,
        n_bins: int = 48,
        bins: Mapping[str, Sequence[float]] | None = None,
        n_frequencies: int = 48,
        frequency_init_scale: float = 0.1,
        lite: bool = False,
        activation: bool | None = None,
        with_value: bool = False,
        do_cont: float = 0,
        do_cat: float = 0,
        cat_init_scale: float = 1,
        cat_embedder: CatEmbedder | None = None,
        freeze: bool = False,
    ) -> None:
        super().__init__(
            cont_feats,
            cat_embedder,
            width=positive(width, "width") + int(with_value),
            do_cont=do_cont,
            do_cat=do_cat,
            cat_init_scale=cat_init_scale,
        )
        activation = embedding == "periodic" if activation is None else activation
        check_flags(lite=lite, activation=activation, with_value=with_value)
        if with_value and embedding == "periodic":
            raise ConfigError("periodic embeddings know no quantiles to scale by: with_value=True needs bins")
        if not is_number(frequency_init_scale) or not 0 < frequency_init_scale < inf:
            raise ConfigError(f"frequency_init_scale must be a positive number, got {frequency_init_scale!r}")
        if lite and not activation:
            raise ConfigError(
                "one linear layer for all features needs a ReLU behind it: lite=True needs activation=True"
            )
        self.bins = _checked(embedding, n_bins, bins)
        self.embedding = embedding
        self.any_scale = embedding == "piecewise_linear"
        self.cont_embed: nn.Module | None = None
        if self.n_cont_in and embedding == "periodic":
            self.cont_embed = periodic(
                self.n_cont_in,
                width,
                n_frequencies=positive(n_frequencies, "n_frequencies"),
                frequency_init_scale=frequency_init_scale,
                activation=activation,
                lite=lite,
            )
        elif self.n_cont_in:
            edges = [self.bins.get(feat, [0.0]) for feat in self.cont_feats]
            self.cont_embed = piecewise_linear(edges, n_bins, width, activation=activation, with_value=with_value)
        if freeze:
            self.freeze_layers()

    @classmethod
    def prepare(
        cls,
        fy: FoldYielder,
        columns: Sequence[str],
        embedding: str = "piecewise_linear",
        n_bins: int = 48,
        bins: Mapping[str, Sequence[float]] | None = None,
        folds: Sequence[int] | None = None,
    ) -> dict[str, object]:
        """Return the bins of all features, those that were given as they are.

        Args:
            fy: The data.
            columns: Names of the continuous features.
            embedding: See the constructor; ``"periodic"`` has none.
            n_bins: See the constructor.
            bins: See the constructor.
            folds: Numbers of the folds that may be looked at; ``None`` for all.

        Returns:
            ``{"bins": {feature: edges}}``, or ``{}`` where nothing is to be found.

        Raises:
            ConfigError: If ``bins`` names a feature that there is not, or are no bins.
            DataError: If the file lacks a feature.
        """
        given = _checked(embedding, n_bins, bins)
        unknown = [feat for feat in columns if feat not in given]
        if embedding == "periodic" or not unknown:
            return {}
        check_keys(given, columns, "bins")
        return {"bins": given | fold_bins(fy, unknown, n_bins, folds)}

    def embed_cont(self, cont: Tensor) -> Tensor:
        """Turn the continuous features, ``(B, n_cont)``, into vectors, ``(B, n_cont * width)``.

        Raises:
            ConfigError: If the head was not told the bins.
        """
        if self.embedding != "periodic" and (missing := [feat for feat in self.cont_feats if feat not in self.bins]):
            msg = f"num_emb_head does not know the bins of {listed(missing)}: ModelBuilder.from_fy, train_models and "
            msg += "the first fit find them in the data, or give bins={feature: edges} of all features"
            raise ConfigError(msg)
        return cont if self.cont_embed is None else self.cont_embed(cont).flatten(1)


def _checked(embedding: str, n_bins: int, bins: Mapping[str, Sequence[float]] | None) -> dict[str, list[float]]:
    """Check the options that say what the edges are, and return them by feature."""
    if embedding not in EMBEDDINGS:
        msg = f"embedding must be one of {', '.join(EMBEDDINGS)}, got {embedding!r}"
        raise ConfigError(f"{msg}{did_you_mean(embedding, EMBEDDINGS)}")
    if positive(n_bins, "n_bins") < 2:
        raise ConfigError(f"n_bins must be at least 2, got {n_bins}")
    if bins is not None and embedding == "periodic":
        raise ConfigError("periodic embeddings have no bins: leave bins out, or take embedding='piecewise_linear'")
    return {} if bins is None else checked_bins(bins, n_bins)
