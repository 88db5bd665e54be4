"""Functions over the last axis: of the values that an event, or an object, has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_plugin_io import whole_numbers
from lumin_plugin_io.conditions import truth
from lumin_plugin_io.sorts import as_floats, as_number, as_whole, is_missing, sort_of
from lumin_plugin_io.values import Lists, Misfit, Tree, Values, check_lengths, inside, leaves, offsets_of, taken

if TYPE_CHECKING:
    from collections.abc import Callable

_FAR = np.iinfo(np.int64).max


def over_last_axis(function: Callable[[Lists, Values], Tree], tree: Tree) -> Tree:
    """Apply a function to the innermost lists.

    Args:
        function: From lists and their values to one value, or another list, for each.
        tree: The values.

    Raises:
        Misfit: If there is just one value per event.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.list_functions import length_of, over_last_axis
        >>> from lumin_plugin_io.values import Lists, Values
        >>> over_last_axis(length_of, Lists(np.array([0, 2, 2]), Values(np.array([3.0, 4.0])))).data
        array([2, 0])
    """
    if isinstance(tree, Values):
        raise Misfit("several values per event are needed, got one")
    if isinstance(tree.content, Lists):
        return Lists(tree.offsets, over_last_axis(function, tree.content))
    return function(tree, tree.content)


def total(lists: Lists, values: Values) -> Values:
    """Return sums, 0 of nothing."""
    if values.sort in "fU":
        return Values(_reduced(np.add, lists, as_floats(values), 0.0))
    whole = as_whole(values)
    missing = None if whole.missing is None else _reduced(np.logical_or, lists, whole.missing, False)
    low, high = whole_numbers.bounds_of(whole)
    most = int(lists.counts.max(initial=0))
    if max(abs(low), abs(high)) * most <= np.iinfo(np.int64).max:
        return Values(_reduced(np.add, lists, whole.data, 0), missing)
    exact = Values(_reduced(np.add, lists, whole.data.astype(object), 0), missing)
    return whole_numbers.with_type(exact, whole.data.dtype)


def smallest(lists: Lists, values: Values) -> Values:
    """Return minima, missing of nothing."""
    return _extreme(np.minimum, lists, as_number(values))


def largest(lists: Lists, values: Values) -> Values:
    """Return maxima, missing of nothing."""
    return _extreme(np.maximum, lists, as_number(values))


def place_of_smallest(lists: Lists, values: Values) -> Values:
    """Return the index of the first minimum, missing of nothing."""
    return _place(smallest(lists, values), lists, as_number(values))


def place_of_largest(lists: Lists, values: Values) -> Values:
    """Return the index of the first maximum, missing of nothing."""
    return _place(largest(lists, values), lists, as_number(values))


def any_of(lists: Lists, values: Values) -> Values:
    """Tell whether some value is true, which none of nothing is."""
    return Values(_reduced(np.logical_or, lists, truth(values).data, False))


def all_of(lists: Lists, values: Values) -> Values:
    """Tell whether all values are true, as all of nothing are."""
    return Values(_reduced(np.logical_and, lists, truth(values).data, True))


def length_of(lists: Lists, values: Values) -> Values:
    """Return numbers of values."""
    counts = lists.counts
    return Values(counts, None, (0, int(counts.max(initial=0))))


def first(lists: Lists, values: Values) -> Tree:
    """Return first values, missing of nothing."""
    return picked(lists, Values(np.array(0)))


def last(lists: Lists, values: Values) -> Tree:
    """Return last values, missing of nothing."""
    return picked(lists, Values(np.array(-1)))


def ordered(lists: Lists, values: Values) -> Lists:
    """Return values in ascending order, what is missing at the end."""
    missing, order = is_missing(values), np.empty(len(values.data), np.int64)
    by_length = np.argsort(lists.counts, kind="stable")
    lengths, begins = np.unique(lists.counts[by_length], return_index=True)
    for n, owners in zip(lengths, np.split(by_length, begins)[1:], strict=True):  # all lists of a length at once
        places = lists.offsets[owners][:, None] + np.arange(n)
        within = np.lexsort((values.data[places], missing[places]))
        order[places] = np.take_along_axis(places, within, axis=1)
    return Lists(lists.offsets, taken(values, order))


def indexed(tree: Tree, index: Tree) -> Tree:
    """Return ``x[index]``.

    Args:
        tree: Lists.
        index: Whole numbers, from the end where they are negative: one per event, or a list per
            event; or conditions, for those values of which they are true.

    Raises:
        Misfit: If there is just one value per event, or this is not an index.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.list_functions import indexed
        >>> from lumin_plugin_io.values import Lists, Values
        >>> pt = Lists(np.array([0, 2, 2]), Values(np.array([3.0, 4.0])))
        >>> indexed(pt, Values(np.array(-1))).data
        array([ 4., nan])
    """
    if isinstance(tree, Values):
        raise Misfit(
            "there is one value per event, which takes no index; a selection of events is a recipe's selection"
        )
    sort = leaves(index).sort
    if sort == "b":
        return filtered(tree, index)
    if sort not in "iu":
        raise Misfit(f"an index is a whole number, or a condition, got {sort_of(leaves(index))}")
    if isinstance(index, Values):
        return picked(tree, index)
    if isinstance(index.content, Lists):
        raise Misfit("an index is one whole number per event, or a list of them, got lists of lists")
    return Lists(index.offsets, _picked(tree, index.content, np.repeat(np.arange(len(index.counts)), index.counts)))


def picked(lists: Lists, index: Values) -> Tree:
    """Return one element of each list, missing where the index is out of range."""
    return _picked(lists, index, np.arange(len(lists.offsets) - 1))


def filtered(lists: Lists, condition: Tree) -> Lists:
    """Return lists of those elements for which a condition is true."""
    if isinstance(condition, Lists):
        check_lengths(lists, condition)
    condition = inside(condition, lists)
    if isinstance(condition, Lists):
        if not isinstance(lists.content, Lists):
            raise Misfit("a condition has one value per element, got a list for each")
        return Lists(lists.offsets, filtered(lists.content, condition))
    is_kept = np.broadcast_to(truth(condition).data, lists.offsets[-1:])
    counts = _reduced(np.add, lists, is_kept.astype(np.int64), 0)
    return Lists(offsets_of(counts), taken(lists.content, np.flatnonzero(is_kept)))


def _picked(lists: Lists, index: Values, owners: np.ndarray) -> Tree:
    """Return elements, each of the list of its owner."""
    index = whole_numbers.with_type(index, np.dtype("int64"))
    counts = lists.counts[owners]
    places = np.where(index.data < 0, index.data + counts, index.data)
    is_outside = (places < 0) | (places >= counts)
    if index.missing is not None:
        is_outside |= index.missing
    return taken(lists.content, lists.offsets[:-1][owners] + places, is_outside)


def _reduced(function: np.ufunc, lists: Lists, data: np.ndarray, empty: Any) -> np.ndarray:
    """Reduce each list to one value."""
    is_filled = lists.counts > 0
    results = np.full(len(is_filled), empty, data.dtype)
    starts = lists.offsets[:-1][is_filled]
    if len(starts):
        with np.errstate(all="ignore"):
            results[is_filled] = function.reduceat(data, starts)
    return results


def _extreme(function: np.ufunc, lists: Lists, values: Values) -> Values:
    if values.sort == "f":
        return Values(_reduced(function, lists, values.data, np.nan))
    missing = lists.counts == 0
    if values.missing is not None:
        missing |= _reduced(np.logical_or, lists, values.missing, False)
    return Values(_reduced(function, lists, values.data, 0), missing if missing.any() else None, values.bounds)


def _place(extremes: Values, lists: Lists, values: Values) -> Values:
    """Return where each list first has a value."""
    counts = lists.counts
    within = np.arange(lists.offsets[-1]) - np.repeat(lists.offsets[:-1], counts)
    is_there = values.data == np.repeat(extremes.data, counts)
    places = _reduced(np.minimum, lists, np.where(is_there, within, _FAR), 0)
    missing = is_missing(extremes)
    return Values(np.where(missing, 0, places), missing if missing.any() else None, (0, int(counts.max(initial=0))))
