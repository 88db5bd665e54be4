"""Values in the course of an expression: one per event, or lists of them.

`Values` are flat arrays of NumPy. `Lists` are nested: the values of all events one after the other,
and where those of each event begin. So whatever is done element by element is done by NumPy to flat
arrays, of jagged columns too.

What is missing is NaN among floats, and stands in a mask beside whole numbers, Booleans and text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs
import numpy as np

from lumin_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable


class Misfit(DataError):
    """Values that an operation cannot take; whoever knows the expression says where."""


@attrs.frozen(eq=False)
class Values:
    """One value per event, per object, or a constant.

    Attributes:
        data: Shape ``(n,)``, or ``()`` for a constant; float64, int64, uint64, bool or text.
        missing: Where values are missing, shape of ``data``; ``None`` if none is, and for floats.
        bounds: Between what whole numbers are, where that is known without looking at them.
    """

    data: np.ndarray
    missing: np.ndarray | None = None
    bounds: tuple[int, int] | None = None

    @property
    def sort(self) -> str:
        """What the values are: ``"f"``, whole ``"i"`` or ``"u"``, ``"b"`` Boolean, ``"U"`` text."""
        return self.data.dtype.kind

    @property
    def is_constant(self) -> bool:
        """Whether all events have the same value."""
        return self.data.ndim == 0


@attrs.frozen(eq=False)
class Lists:
    """Lists of values, one per event.

    Attributes:
        offsets: Where in ``content`` each list begins, and at last its end; shape ``(n + 1,)``,
            int64, from 0.
        content: What they hold, one list after the other.
    """

    offsets: np.ndarray
    content: Tree

    @property
    def counts(self) -> np.ndarray:
        """Lengths of the lists, shape ``(n,)``, int64."""
        return np.diff(self.offsets)


Tree: TypeAlias = Values | Lists


def leaves(tree: Tree) -> Values:
    """Return the values at the end of all lists.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Lists, Values, leaves
        >>> leaves(Lists(np.array([0, 1, 2]), Values(np.array([3.0, 4.0])))).data
        array([3., 4.])
    """
    while isinstance(tree, Lists):
        tree = tree.content
    return tree


def either(*masks: np.ndarray | None) -> np.ndarray | None:
    """Return where one of several is missing.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import either
        >>> either(None, np.array([True, False]))
        array([ True, False])
    """
    found = None
    for mask in masks:
        if mask is not None:
            found = mask if found is None else found | mask
    return found


def element_wise(function: Callable[..., Values], *trees: Tree) -> Tree:
    """Apply a function element by element.

    What has one value per event is paired with each of the values that another has per event.

    Args:
        function: From flat values, of the same shape or constant, to flat values of that shape.
        *trees: The values.

    Raises:
        Misfit: If lists have different lengths.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Lists, Values, element_wise
        >>> pt = Lists(np.array([0, 2, 3]), Values(np.array([1.0, 2.0, 3.0])))
        >>> scale = Values(np.array([10.0, 1.0]))
        >>> element_wise(lambda x, y: Values(x.data * y.data), pt, scale).content.data
        array([10., 20.,  3.])
    """
    lists = [tree for tree in trees if isinstance(tree, Lists)]
    if not lists:
        return function(*trees)
    for other in lists[1:]:
        check_lengths(lists[0], other)
    return Lists(lists[0].offsets, element_wise(function, *(inside(tree, lists[0]) for tree in trees)))


def inside(tree: Tree, lists: Lists) -> Tree:
    """Return what stands for each element of lists: their content, else the value of their event.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Lists, Values, inside
        >>> inside(Values(np.array([7, 8])), Lists(np.array([0, 2, 3]), Values(np.zeros(3)))).data
        array([7, 7, 8])
    """
    if isinstance(tree, Lists):
        return tree.content
    if tree.is_constant:
        return tree
    counts = lists.counts
    missing = None if tree.missing is None else np.repeat(tree.missing, counts)
    return Values(np.repeat(tree.data, counts), missing, tree.bounds)


def check_lengths(first: Lists, second: Lists) -> None:
    """Refuse lists of different lengths.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Lists, Values, check_lengths
        >>> pt, charge = (Lists(np.array([0, n]), Values(np.zeros(n))) for n in (2, 1))
        >>> check_lengths(pt, charge)
        Traceback (most recent call last):
        lumin_plugin_io.values.Misfit: lists have to be of the same length to be combined, ...
    """
    if first.offsets is second.offsets or np.array_equal(first.offsets, second.offsets):
        return
    event = int(np.argmax(first.counts != second.counts))
    raise Misfit(
        f"lists have to be of the same length to be combined, got {first.counts[event]} values and "
        f"{second.counts[event]} in the same event; reduce them first, as in x[0] or sum(x)"
    )


def taken(tree: Tree, places: np.ndarray, missing: np.ndarray | None = None) -> Tree:
    """Return elements by their places.

    Args:
        tree: Values or lists.
        places: Shape ``(n,)``.
        missing: Where there is no such element: a missing value, or an empty list.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values, taken
        >>> taken(Values(np.array([3.0, 4.0])), np.array([1, 0]), np.array([False, True])).data
        array([ 4., nan])
    """
    if missing is not None and missing.any():
        places = np.where(missing, 0, places)
    else:
        missing = None
    if isinstance(tree, Lists):
        return _lists_taken(tree, places, missing)
    if not len(tree.data) and len(places):  # all of them are missing
        tree = Values(np.zeros(1, tree.data.dtype))
    data = tree.data[places]
    if data.dtype.kind == "f":
        return Values(data if missing is None else np.where(missing, np.nan, data))
    masked = None if tree.missing is None else tree.missing[places]
    return Values(data, either(masked, missing), tree.bounds)


def _lists_taken(lists: Lists, places: np.ndarray, missing: np.ndarray | None) -> Lists:
    counts, starts = lists.counts, lists.offsets[:-1]
    if not len(counts) and len(places):
        counts, starts = np.zeros(1, np.int64), np.zeros(1, np.int64)
    counts = counts[places] if missing is None else np.where(missing, 0, counts[places])
    offsets = offsets_of(counts)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    return Lists(offsets, taken(lists.content, np.repeat(starts[places], counts) + within))


def offsets_of(counts: np.ndarray) -> np.ndarray:
    """Return where lists of these lengths begin, and the end.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import offsets_of
        >>> offsets_of(np.array([2, 0, 1]))
        array([0, 2, 2, 3])
    """
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets
