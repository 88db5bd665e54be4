"""Jagged columns: arrays of awkward to lists of values, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from lumin_plugin_io.columns import values_of
from lumin_plugin_io.values import Lists, Misfit, Tree

if TYPE_CHECKING:
    from awkward.contents import Content

_OFFSETS = np.int64


def from_awkward(array: Any) -> Tree:
    """Return an array as lists of values; a list that is missing is empty.

    Args:
        array: Of numbers, Booleans or text, in lists of any depth.

    Raises:
        Misfit: If it holds anything else.

    Example:
        >>> import awkward as ak
        >>> from lumin_plugin_io.awkward_columns import from_awkward
        >>> lists = from_awkward(ak.Array([[30.0, 20.0], []]))
        >>> lists.offsets, lists.content.data
        (array([0, 2, 2]), array([30., 20.]))
    """
    return _tree(ak.to_packed(array).layout)


def to_awkward(tree: Tree) -> Any:
    """Return lists of values as an array.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.awkward_columns import to_awkward
        >>> from lumin_plugin_io.values import Lists, Values
        >>> to_awkward(Lists(np.array([0, 2, 2]), Values(np.array([3, 4])))).tolist()
        [[3, 4], []]
    """
    return ak.Array(_layout(tree))


def _tree(layout: Content) -> Tree:
    if layout.is_option and _has_lists(layout):
        return _tree(ak.to_packed(ak.fill_none(ak.Array(layout), [], axis=0)).layout)
    if layout.is_list and layout.parameter("__array__") not in ("string", "bytestring"):
        if layout.is_regular:
            offsets = np.arange(layout.length + 1, dtype=_OFFSETS) * layout.size
        else:
            offsets = np.asarray(layout.offsets.data, _OFFSETS)
        return Lists(offsets, _tree(layout.content))
    if layout.is_unknown:
        return values_of(np.zeros(layout.length))
    if layout.is_record or layout.is_union:
        fields = f" with the fields {', '.join(layout.fields)}" if layout.is_record else ""
        raise Misfit(f"numbers, conditions or text are needed, got records{fields} or values of several sorts")
    array = ak.to_numpy(ak.Array(layout))
    if array.ndim > 1:
        return _tree(ak.to_packed(ak.from_regular(ak.from_numpy(array, regulararray=True), axis=None)).layout)
    return values_of(array)


def _has_lists(layout: Content) -> bool:
    content = layout.content
    is_text = content.parameter("__array__") in ("string", "bytestring")
    return bool(content.is_list and not is_text)


def _layout(tree: Tree) -> Content:
    if isinstance(tree, Lists):
        return ak.contents.ListOffsetArray(ak.index.Index64(tree.offsets), _layout(tree.content))
    data = tree.data if tree.missing is None else np.ma.masked_array(tree.data, tree.missing)
    return ak.from_numpy(data, highlevel=False)
