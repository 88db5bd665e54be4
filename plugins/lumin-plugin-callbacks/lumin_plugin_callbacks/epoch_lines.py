"""A training in lines of text: a title, a header, and a row for each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.display import wrapped
from lumin_core.training import line_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core import FitParams
    from lumin_core.training import EpochRow

_LONGEST = 40  # of a column's title
_TIME = 8  # columns


class EpochLines:
    """Writes rows of the same columns below each other.

    Columns become narrower where a line would not hold them all; then a row takes several lines.

    Args:
        columns: Titles of the columns.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        titles = [title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…" for title in columns]
        self._widths = _widths(titles)
        self.header = self._lines("epoch", [f"{c:>{width}}" for c, width in zip(titles, self._widths, strict=True)])

    def row(self, row: EpochRow, *, is_marked: bool) -> list[str]:
        """Write a row.

        Args:
            row: The epoch.
            is_marked: Whether its number has a star.
        """
        cells = [_cell(value, width) for value, width in zip(row.values, self._widths, strict=True)]
        return self._lines(f"{row.epoch}{'*' if is_marked else ' '}", cells, f"{row.seconds:.1f} s")

    def _lines(self, epoch: str, cells: list[str], seconds: str = "time") -> list[str]:
        lines = [[f"{epoch:>6}"]]
        for cell in cells:
            if len(" ".join([*lines[-1], cell, seconds.rjust(_TIME)])) > line_width():
                lines.append([" " * 6])
            lines[-1].append(cell)
        lines[0].append(seconds.rjust(_TIME))
        return list(map(" ".join, lines))


def title_of(fit_params: FitParams) -> str:
    """Return what is trained on what.

    Args:
        fit_params: The state of the fit.
    """
    validated = "" if fit_params.val_idx is None else f", validated on {fit_params.val_idx}"
    trained = " ".join(map(str, fit_params.trn_idxs))
    return f"{fit_params.cb_savepath.name}: trained on folds {trained}{validated}"


def title_lines(fit_params: FitParams) -> list[str]:
    """Return the title, wrapped.

    Args:
        fit_params: The state of the fit.
    """
    return wrapped(title_of(fit_params), line_width())


def _widths(columns: list[str]) -> list[int]:
    """Return the widths of the columns, narrower ones where a line would not hold them all."""
    for least in (11, 9):
        widths = [max(least, len(column)) for column in columns]
        if 6 + sum(width + 1 for width in widths) + 1 + _TIME <= line_width():
            break
    return widths


def _cell(value: float | None, width: int) -> str:
    """Write a number with the digits that there is room for, five at most."""
    texts = ["-"] if value is None else [f"{value:.{digits}g}" for digits in (5, 4, 3, 2)]
    return next((text for text in texts if len(text) <= width), texts[-1]).rjust(width)
