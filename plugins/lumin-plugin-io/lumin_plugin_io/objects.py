"""Objects of events, as jets, into the rows of a matrix: sorted, and cut to a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import awkward as ak
import numpy as np

from lumin_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core.data import Column

_WAY_OUT = "leave it out, or take what it comes to, as len(...) or sum(...) of each"


def packed(
    fields: Mapping[str, Column], n: int, by: str | None, where: str, texts: Mapping[str, str] | None = None
) -> tuple[np.ndarray, int]:
    """Put objects into rows.

    Args:
        fields: Values by the name of the field, each with one value per object.
        n: Rows of an event.
        by: Field that objects are sorted by first, the largest first, NaN last.
        where: File, tree and table, for messages.
        texts: What each field is computed of, for messages.

    Returns:
        Shape ``(B, n, F)``, float64; and how many objects were cut.

    Raises:
        DataError: If a field has not one value per object, or others have other objects.

    Example:
        >>> import awkward as ak
        >>> from lumin_plugin_io.objects import packed
        >>> rows, n_cut = packed({"pt": ak.Array([[30, 50, 40], []])}, 2, "pt", "a.root")
        >>> rows[:, :, 0].tolist(), n_cut
        ([[50.0, 40.0], [nan, nan]], 1)
    """
    of = {name: f", {text!r}," for name, text in (texts or {}).items() if text != name}
    values = {name: _values(column, f"{where}: fields.{name}{of.get(name, '')}") for name, column in fields.items()}
    counts = _common(values, where)
    event = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = slice(None) if by is None else _order(event, -values[by][0])
    kept = place < n
    rows = np.full((len(counts), n, len(fields)), np.nan)
    for i, (flat, _) in enumerate(values.values()):
        rows[event[kept], place[kept], i] = flat[order][kept]
    return rows, int(len(kept) - np.count_nonzero(kept))


def _values(column: Column, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of all objects one after the other, float64, and the number per event."""
    if isinstance(column, np.ndarray):
        if column.ndim != 2:
            raise DataError(f"{what} has one value per event, and must have one per object; make it one of [variables]")
        return _floats(column.reshape(-1), what), np.full(len(column), column.shape[1])
    lists = ak.fill_none(column, [], axis=0)
    if lists.ndim != 2 or ak.parameters(lists).get("__array__") == "string":
        raise DataError(f"{what} must have one number per object, got {lists.type.content}; {_WAY_OUT}")
    return _floats(ak.to_numpy(ak.flatten(lists, axis=1)), what), ak.to_numpy(ak.num(lists, axis=1))


def _floats(values: np.ndarray, what: str) -> np.ndarray:
    if values.dtype.kind not in "biuf":
        raise DataError(f"{what} must have one number per object, got text; {_WAY_OUT}")
    return np.ma.filled(values.astype(np.float64), np.nan)


def _common(values: Mapping[str, tuple[np.ndarray, np.ndarray]], where: str) -> np.ndarray:
    """Return the number of objects per event, which all fields must agree on."""
    (first, (_, counts)), *others = values.items()
    for name, (_, its) in others:
        if (wrong := np.flatnonzero(its != counts)).size:
            raise DataError(
                f"{where}: fields.{first} has {counts[wrong[0]]} objects and fields.{name} {its[wrong[0]]} in the same "
                "event; fields of one table must be of the same objects: make another [matrix.<name>] of the others"
            )
    return counts


def _order(event: np.ndarray, key: np.ndarray) -> np.ndarray | slice:
    """Return what sorts objects by event and key; nothing where they are, as they often are."""
    if ((key[1:] >= key[:-1]) | (event[1:] != event[:-1])).all():
        return slice(None)
    return np.lexsort((key, event))  # stable, and NaN is last
