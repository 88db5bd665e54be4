"""Live views of text: lines, and a table on a terminal that is written anew in place."""

from __future__ import annotations

import shutil
from collections import deque
from typing import TYPE_CHECKING

from lumin_core.training import LiveView, Rewritten, say
from lumin_plugin_callbacks.epoch_lines import EpochLines, title_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core import FitParams
    from lumin_core.training import EpochRow

_MOST = 8  # epochs that the table shows, besides the best
_BELOW = 2  # rows of the terminal that are left, for a bar and one line more


class Lines(LiveView):
    """Writes a line for each epoch, with a star where it was the best so far."""

    def begin(self, fit_params: FitParams, columns: Sequence[str]) -> None:
        """Write title and header."""
        self._lines = EpochLines(columns)
        say("\n".join(title_lines(fit_params)))
        say("\n".join(self._lines.header))

    def update(self, fit_params: FitParams, row: EpochRow) -> None:
        """Write the epoch's line."""
        say("\n".join(self._lines.row(row, is_marked=row.is_best)))


class Table(LiveView):
    """Shows the last epochs and the best, on a terminal, in place.

    What else is written stays: the table goes on below it. It is as high as the terminal allows.
    """

    def begin(self, fit_params: FitParams, columns: Sequence[str]) -> None:
        """Write title and header, and notice from now on what others write."""
        self._columns = columns
        self._title = title_lines(fit_params)
        self._last: deque[EpochRow] = deque(maxlen=_MOST)
        self._best: EpochRow | None = None
        self._inside = Rewritten()
        fit_params.at_end.enter_context(self._inside)
        self._inside.write([*self._title, *EpochLines(columns).header])

    def update(self, fit_params: FitParams, row: EpochRow) -> None:
        """Write the table anew."""
        self._last.append(row)
        self._best = row if row.is_best else self._best
        lines = EpochLines(self._columns)
        rows = [lines.row(each, is_marked=each is self._best) for each in self._shown(len(lines.header))]
        self._inside.write([*self._title, *lines.header, *(line for each in rows for line in each)])

    def _shown(self, height: int) -> list[EpochRow]:
        """Return the best and the last epochs, as many as there is room for, in their order."""
        room = shutil.get_terminal_size().lines - _BELOW - len(self._title) - height
        n_last = max(1, room // height - 1)
        last = list(self._last)[-n_last:]
        return last if self._best is None or self._best in last else [self._best, *last]
