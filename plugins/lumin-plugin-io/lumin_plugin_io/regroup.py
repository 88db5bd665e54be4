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
        join: Makes one piece of several, or of one, which may be cut from what is much larger.
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
            yield join([piece[begin : begin + step]])
        if last < len(piece):
            kept.append(join([piece[last:]]))
        del piece  # before the next one is made
    if kept:
        yield join(kept)


def _within(pieces: Iterable[_Piece], skip: int, most: int | None) -> Iterator[_Piece]:
    for piece in pieces:
        n = len(piece)
        first, skip = min(skip, n), max(skip - n, 0)
        stop = n if most is None else min(n, first + most)
        if stop > first:
            yield piece[first:stop]
        del piece
        if most is not None:
            most -= stop - first
            if most == 0:
                return
