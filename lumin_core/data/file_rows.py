"""What a fold file holds, in a few rows, from what is known of it once it was opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lumin_core.checks import listed
from lumin_core.display import component, count, counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from lumin_core.data.schema import MatrixSchema, Schema
    from lumin_core.display import Row


def fold_rows(schema: Schema, sizes: Collection[int], columns: Sequence[str], most: int = 6) -> Iterator[Row]:
    """Give the rows of a fold file, those alone that say something.

    Args:
        schema: What the file has.
        sizes: Number of events of each fold.
        columns: The columns that it has.
        most: How many names are listed.

    Example:
        >>> from lumin_core.data import Schema, fold_rows
        >>> schema = Schema(cont_feats=["pt", "eta"], targ_feats=["y"])
        >>> dict(fold_rows(schema, [5, 5], ["inputs", "targets", "pred"]))["predictions"]
        '1: pred'
    """
    known = {"inputs", "targets", "weights", "matrix_inputs", *schema.misc_feats}
    maps = schema.cat_maps
    cats = [f"{feat} ({len(maps[feat])} values)" if feat in maps else feat for feat in schema.cat_feats]
    rows = [
        ("folds", f"{len(sizes)}, each of {_span(sizes)} events, {sum(sizes):,} in all"),
        ("continuous", counted(schema.cont_feats, most)),
        ("categorical", counted(cats, most)),
        ("targets", counted(schema.targ_feats, most)),
        ("weights", (schema.wgt_feat or "weights") if "weights" in columns else "none"),
        ("matrix", _matrix(schema.matrix, most)),
        *((f"preprocessed {name}", ", ".join(map(_step, steps))) for name, steps in schema.preprocessing.items()),
        ("further columns", counted(schema.misc_feats, most)),
        ("units", ", ".join(f"{unit} ({count(n, 'column')})" for unit, n in Counter(schema.units.values()).items())),
        ("recipe", recipe_text(schema.recipe, most)),
        ("sources", counted(list(map(_source, schema.sources)), most)),
        ("predictions", counted([column for column in columns if column not in known], most)),
    ]
    return (row for row in rows if row[1])


def _span(sizes: Collection[int]) -> str:
    low, high = min(sizes, default=0), max(sizes, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _step(step: object) -> str:
    return component(step).partition(":")[0]  # what it learned is long


def recipe_text(recipe: Mapping[str, object], most: int = 6) -> str:
    """Say in short how events were made: by which converter, of which samples and selection.

    Args:
        recipe: As it is recorded; empty where there is none.
        most: How many samples are listed.

    Example:
        >>> from lumin_core.data import recipe_text
        >>> recipe_text({"name": "io/recipe", "sample": {"tt": {}}, "selection": "nJet > 1"})
        'io/recipe; samples tt; selection nJet > 1'
    """
    samples, selection = recipe.get("sample"), recipe.get("selection")
    parts = [str(recipe.get("name", "of another version"))] if recipe else []
    parts += [f"samples {listed(samples, most)}"] if isinstance(samples, Mapping) else []
    return "; ".join([*parts, *([f"selection {selection}"] if selection else [])])


def _source(source: Mapping[str, object]) -> str:
    counts = f" ({source['selected']:,} of {source['entries']:,})" if {"selected", "entries"} <= source.keys() else ""
    return f"{source.get('name')}{counts}"


def _matrix(matrix: MatrixSchema | None, most: int) -> str:
    if matrix is None:
        return ""
    parts = [" x ".join(map(str, matrix.shape)), f"objects {listed(matrix.vecs, most)}"]
    parts += [f"each with {listed(matrix.feats_per_vec, most)}"] * any(matrix.feats_per_vec)
    return "; ".join([*parts, *["sparse"] * matrix.is_sparse])
