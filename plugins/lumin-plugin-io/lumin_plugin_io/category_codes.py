"""Codes of categorical features: from a recipe's map, or from the values that the training has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lumin_core.checks import listed
from lumin_core.data import UNKNOWN_CATEGORY
from lumin_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lumin_plugin_io.description import Category

    Value = int | str

MOST_VALUES = 1000
"""Of a category that has no map."""
MISSING = -1


def map_of(category: Category, found: Iterable[Value] = ()) -> dict[int, Value]:
    """Return what the codes of a category mean.

    Args:
        category: The category.
        found: Values that the training has, where it has no map.

    Raises:
        DataError: If numbers and text were found.

    Example:
        >>> from lumin_plugin_io import Category
        >>> from lumin_plugin_io.category_codes import map_of
        >>> map_of(Category(name="lepton", value="abs(id)", map={"11": "e", "13": "mu"}, unknown=True))
        {0: 'e', 1: 'mu', 2: '<unknown>'}
        >>> map_of(Category(name="n_jets", value="nJet"), [3, 2])
        {0: 2, 1: 3}
    """
    found = list(found)
    if len({isinstance(value, str) for value in found}) > 1:
        raise DataError(
            f"[categories] {category.name} has numbers in some files and text in others; make them of one sort"
        )
    names: list[Value] = [*dict.fromkeys(category.map.values())] if category.map else sorted(found)  # type: ignore
    return dict(enumerate([*names, UNKNOWN_CATEGORY] if category.unknown else names))
