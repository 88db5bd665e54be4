"""Pieces of a table as a file gives them, to pieces of as many events as were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Piece = TypeVar("_Piece", bound="Any")


def regroup(
    pieces: Iterable[_Piece], step: int, join: Callable[[list[_Piece]], _Piece], skip: int = 0, most: int | None = None
) -> Iterator[_Piece]:
    """Cut and join consecutive pieces.

    Args:
        pieces: What has a length and can be sliced: arrays, tables of pyarrow.
        step: Events in each piece that is returned; the last may have fewer.
        join: Makes one piece of several.
        skip: Events that are left out at the beginning.
        most: Events that are returned at most; by default all.

    Example:
        >>> from lumin_plugin_io.regroup import regroup
        >>> list(regroup([[1, 2, 3], [4], [5, 6]], 2, lambda parts: sum(parts, []), skip=1))
        [[2, 3], [4, 5], [6]]
    """
    kept: list[_Piece] = []
    for piece in _within(pieces, skip, most):
        missing = step - sum(map(len, kept))
        first = min(missing, len(piece)) if kept else 0
        if first:
            kept.append(piece[:first])
        if kept and first == missing:
            yield join(kept)
            kept = []
        last = len(piece) - (len(piece) - first) % step
        for begin in range(first, last, step):
            yield piece[begin : begin + step]
        if last < len(piece):
            kept.append(piece[last:])
    if kept:
        yield join(kept) if len(kept) > 1 else kept[0]


def _within(pieces: Iterable[_Piece], skip: int, most: int | None) -> Iterator[_Piece]:
    for piece in pieces:
        first, skip = min(skip, len(piece)), max(skip - len(piece), 0)
        stop = len(piece) if most is None else min(len(piece), first + most)
        if stop > first:
            yield piece[first:stop]
        if most is not None:
            most -= stop - first
            if most == 0:
                return
