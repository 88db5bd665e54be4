"""A terminal that keeps what it shows: line feeds, carriage returns, the cursor's way up, what is cleared."""

import io
import re
import sys

PIECES = re.compile(r"\x1b\[(\d*)([A-Z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Terminal(io.StringIO):
    """A stream that is a terminal of so many columns and rows; `lines` is all that was ever on it."""

    def __init__(self, columns=80, rows=24):
        super().__init__()
        self.columns, self.rows = columns, rows
        self.cells, self.row, self.column = [""], 0, 0

    def isatty(self):
        return True

    def write(self, text):
        for number, command, carriage, feed, plain in PIECES.findall(text):
            if command == "A":  # up, as far as the screen goes
                self.row = max(self.row - int(number or 1), len(self.cells) - self.rows, 0)
            elif command == "J":
                self.cells[self.row] = self.cells[self.row][: self.column]
                del self.cells[self.row + 1 :]
            elif carriage:
                self.column = 0
            elif feed:
                self._down()
            for letter in plain:
                if self.column == self.columns:
                    self._down()
                line = self.cells[self.row].ljust(self.column)
                self.cells[self.row] = line[: self.column] + letter + line[self.column + 1 :]
                self.column += 1
        return len(text)

    def _down(self):
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.cells):
            self.cells.append("")

    @property
    def lines(self):
        return [line.rstrip() for line in self.cells if line.strip()]


def opened(monkeypatch, columns=80, rows=24):
    """Make the standard error a terminal until the end of the test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    resize(monkeypatch, screen, columns, rows)
    return screen


def resize(monkeypatch, screen, columns, rows):
    """Give it another size."""
    screen.columns, screen.rows = columns, rows
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
