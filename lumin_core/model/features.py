"""What a model is given: what a builder reads of a fold file, and the features of one model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, SupportsIndex, cast

import numpy as np

from lumin_core import registry, seeds
from lumin_core.checks import check_keys, check_names, is_number, listed, positive
from lumin_core.errors import ConfigError, DataError
from lumin_core.model.matrix_head import MatrixHead
from lumin_core.model.options import with_options
from lumin_core.model.targets import NO_LABELS, count_classes
from lumin_core.registry.config import title
from lumin_core.registry.making import blamed

if TYPE_CHECKING:
    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.blocks import Body, Head
    from lumin_core.model.embedding import CatEmbedder


def model_features(fy: FoldYielder) -> list[str]:
    """Return the names of a fold file's continuous features.

    Flat ones come first, then those of a matrix with names.

    Args:
        fy: The data.
    """
    matrix = (fy.matrix_feats or {}).get("present_feats") or () if fy.yield_matrix else ()
    return [*fy.get_use_cont_feats(), *matrix]


def check(
    cont_feats: Sequence[str], cat_embedder: CatEmbedder | None, rate: float | None, guaranteed: Sequence[str]
) -> None:
    """Refuse a model without inputs, names that are not text or are there twice, a wrong fraction.

    Args:
        cont_feats: Names of the continuous features.
        cat_embedder: The categorical features, or ``None``.
        rate: Fraction of the continuous features that each model is given, or ``None`` for all.
        guaranteed: Features that every model is given.

    Raises:
        ConfigError: If there are such.

    Example:
        >>> from lumin_core.model import features
        >>> features.check(["pt"], None, 1.5, [])
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: cont_subsample_rate must be in (0, 1], got 1.5
    """
    if not cont_feats and not (cat_embedder and cat_embedder.n_cat_in):
        raise ConfigError(
            "a model needs inputs: give cont_feats, cat_embedder or both; for a matrix of objects cont_feats are "
            "its elements {vec}_{feat}, which ModelBuilder.from_fy reads from the file"
        )
    check_names("cont_feats", cont_feats)
    if rate is None and guaranteed:
        raise ConfigError("guaranteed_feats means something only with cont_subsample_rate: give both, or neither")
    if rate is not None and not (is_number(rate) and 0 < rate <= 1):
        raise ConfigError(f"cont_subsample_rate must be in (0, 1], got {rate!r}")
    check_keys(guaranteed, cont_feats, "cont_feats")


def out_size(block: Head | Body) -> int:
    """Return the width of what a block gives, as it says.

    Args:
        block: The block, built.

    Raises:
        ConfigError: If it does not say a positive integer.
        Exception: Whatever it raises, with a note that says who did.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> from lumin_core.model.features import out_size
        >>> out_size(ModelBuilder("regression", 1, ["pt", "eta"]).get_head())
        2
    """
    what = title(block.kind, block)
    with blamed(what):
        size = cast("object", block.get_out_size())
    return positive(size, f"get_out_size() of {what}")


def check_map(head: Head) -> None:
    """Refuse a head whose `feat_map` does not say of each feature which columns depend on it.

    Args:
        head: The head, built.

    Raises:
        ConfigError: If features are missing, or their columns are no list of numbers below the
            head's width.

    Example:
        >>> from lumin_core.model import Head, features
        >>> class Forgetful(Head):
        ...     def forward(self, x):
        ...         return x
        ...     def get_out_size(self):
        ...         return 1
        >>> features.check_map(Forgetful(["pt"]))
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: the head 'Forgetful' has no feat_map for pt; set ...
    """
    width, what = out_size(head), title("head", head)
    with blamed(what):
        given = cast("object", head.feat_map)
    way_out = "set self.feat_map = {feature: [columns of the output], ...} for every feature"
    if not isinstance(given, Mapping):
        raise ConfigError(f"{what} must have a dict as feat_map, got {given!r}; {way_out}")
    if missing := [feat for feat in (*head.cont_feats, *head.cat_feats) if feat not in given]:
        raise ConfigError(f"{what} has no feat_map for {listed(missing)}; {way_out}, [] where none depends on it")
    for feat, columns in given.items():
        if not isinstance(columns, Sequence) or not all(_is_column(column, width) for column in columns):
            raise ConfigError(
                f"feat_map of {what} says {columns!r} for {feat!r}, which must be a list of columns from 0 to "
                f"{width - 1}, as get_out_size() is {width}; {way_out}"
            )


def _is_column(column: object, width: int) -> bool:
    return isinstance(column, SupportsIndex) and not isinstance(column, bool) and 0 <= column.__index__() < width


def count_outputs(fy: FoldYielder, objective: str) -> int:
    """Return the number of targets, or for multiclass that of the classes.

    Args:
        fy: The data.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.

    Raises:
        DataError: If the classes are not 0, 1, 2, ... without gaps, or there are no targets.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_core.model import count_outputs
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="process") as file:
        ...     file.append(0, inputs=np.ones((3, 1)), targets=np.arange(3))
        >>> count_outputs(FoldYielder(path), "multiclass")
        3
    """

    def targets(fold: int) -> np.ndarray:
        return np.asarray(fy.get_column("targets", fold_idx=fold, add_newaxis=True))

    if (n_targets := int(targets(0).shape[1])) == 0:
        raise DataError(NO_LABELS)
    return count_classes(map(targets, range(len(fy))), fy.targ_feats[0]) if objective == "multiclass" else n_targets


def with_objects(head: object, fy: FoldYielder) -> object:
    """Tell a head for a matrix of objects what these are.

    Args:
        head: The spec of a head. ``vecs, feats_per_vec, row_wise`` are added as far as its options
            do not say them; likewise to its ``matrix_head``, where it has one.
        fy: The data.

    Returns:
        The same spec where there is nothing to tell.
    """
    entry = (fy.matrix_feats or {}) if fy.yield_matrix else {}
    return head if entry.get("row_wise") is None else _told(head, entry)


def _told(spec: object, entry: Mapping[str, object]) -> object:
    head = registry.resolve("head", spec)
    told: dict[str, object] = {}
    if isinstance(head.func, type) and issubclass(head.func, MatrixHead):
        wanted = inspect.signature(head.func).parameters.keys() - head.keywords.keys()
        told = {name: entry[name] for name in ("vecs", "feats_per_vec", "row_wise") if name in wanted}
    elif "matrix_head" in head.keywords:
        told = {"matrix_head": _told(head.keywords["matrix_head"], entry)}
    return with_options(spec, told)


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
        >>> from lumin_core.model.features import draw_columns
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
