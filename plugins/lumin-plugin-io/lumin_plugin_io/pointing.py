"""Messages that point at a place in the text of an expression."""

from __future__ import annotations

_AROUND = 40  # characters of a long text that are shown before and after the place
_LONGEST = 80  # of the place itself


def pointed(message: str, text: str, start: int, stop: int) -> str:
    """Return a message with the text below it, and a line of carets under the place meant.

    Args:
        message: What is to be said.
        text: The expression, in one line.
        start: First character of the place.
        stop: The one after the last.

    Example:
        >>> from lumin_plugin_io.pointing import pointed
        >>> print(pointed("'&&' is not Python", "nJet > 2 && met > 30", 9, 11))
        '&&' is not Python
            nJet > 2 && met > 30
                     ^^
    """
    stop = min(max(start + 1, stop), start + _LONGEST)
    first, last = max(0, start - _AROUND), min(len(text), stop + _AROUND)
    before, after = "..." if first else "", "..." if last < len(text) else ""
    place = " " * (len(before) + start - first) + "^" * (stop - start)
    return f"{message}\n    {before}{text[first:last]}{after}\n    {place}"
