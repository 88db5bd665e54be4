"""Some of the features for each of several models: which ones one model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import seeds
from lumin_core.checks import check_keys
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_subsampling(rate: float | None, guaranteed: Sequence[str], cont_feats: Sequence[str]) -> None:
    """Refuse a fraction out of range, and guaranteed features that are not among the features.

    Args:
        rate: Fraction of the features, or ``None`` for all.
        guaranteed: Features that every model is given.
        cont_feats: The continuous features.

    Raises:
        ConfigError: If there are such.

    Example:
        >>> from lumin_core.model.subsampling import check_subsampling
        >>> check_subsampling(1.5, [], ["pt"])
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: cont_subsample_rate must be in (0, 1], got 1.5
    """
    if rate is None and guaranteed:
        raise ConfigError("guaranteed_feats means something only with cont_subsample_rate: give both, or neither")
    if rate is not None and not 0 < rate <= 1:
        raise ConfigError(f"cont_subsample_rate must be in (0, 1], got {rate!r}")
    check_keys(guaranteed, cont_feats, "cont_feats")


def draw_columns(
    rate: float | None, guaranteed: Sequence[str], cont_feats: Sequence[str], *, n_cat: int, seed: int
) -> np.ndarray | None:
    """Draw the features of one model: the guaranteed ones, and others up to the fraction.

    Args:
        rate: Fraction of the continuous features, in (0, 1], one at least; ``None`` for all.
        guaranteed: Features that every model is given; they count towards the fraction.
        cont_feats: The continuous features, the first columns.
        n_cat: Number of categorical features, the columns behind those; all of them are kept.
        seed: Seed of the model.

    Returns:
        Indices of columns in their order, int64; ``None`` for all.

    Example:
        >>> from lumin_core.model.subsampling import draw_columns
        >>> draw_columns(0.5, ["eta"], ["pt", "eta"], n_cat=1, seed=1)
        array([1, 2])
    """
    if rate is None:
        return None
    n_feats = len(cont_feats)
    sure = [list(cont_feats).index(feat) for feat in guaranteed]
    rest = [i for i in range(n_feats) if i not in sure]
    n_more = min(max(round(rate * n_feats) - len(sure), 0 if sure else 1), len(rest))
    drawn = seeds.stream(seed, "subsampling").choice(rest, n_more, replace=False).tolist() if rest else []
    return np.array([*sorted([*sure, *drawn]), *range(n_feats, n_feats + n_cat)], dtype=np.int64)
