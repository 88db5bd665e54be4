"""How objects show themselves: a title and rows, as text of 80 columns and as HTML.

Text is made for a terminal's width, at most 100 columns, and for 80 where there is no terminal:
what does not fit is wrapped, nothing is cut. HTML has no colours of its own, so that it is read on
light and on dark pages.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TextIO

from lumin_core.checks import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = tuple[str, str]
"""A label, and what is to be said."""

_NARROWEST, _USUAL, _WIDEST = 40, 80, 100
_NO_BREAK = "\xa0"  # a blank that no line ends at
_WORD = r"-\w [^\s;,)]+|--?\w[\w-]*|'[^']*'|[A-Z]{2,}[\w.]*|[^\s;,()]*[./=][^\s;,()]*"  # of a command
_KEPT = re.compile(rf"\b(?:lumin|pip) [a-z-]+(?: (?:{_WORD}))*|(?<!\w)'[^']{{1,60}}'(?!\w)")
_LEFT = ' style="text-align: left"'  # notebooks put the text of tables on the right


class Displayed(ABC):
    """Base of what shows itself as a title and rows, in consoles and in notebooks.

    A representation never raises: where an object is half made, or a file is gone, the rows end
    with what went wrong. It should be quick: neither data are read for it nor a network is built.

    Example:
        >>> from lumin_core.display import Displayed
        >>> class Cut(Displayed):
        ...     def _title(self):
        ...         return "Cut at 0.6"
        ...
        ...     def _rows(self):
        ...         yield "left", "12 events"
        ...         yield "significance", "1.4"
        >>> Cut()
        Cut at 0.6
          left          12 events
          significance  1.4
    """

    _is_aligned: ClassVar[bool] = True  # whether texts begin in one column, or each behind its label

    @abstractmethod
    def _title(self) -> str:
        """Say in a line what it is."""

    @abstractmethod
    def _rows(self) -> Iterable[Row]:
        """Say in a few rows from what it is, how many there are, how good it is."""

    def __repr__(self) -> str:
        """Show title and rows as text."""
        return as_text(*_shown(self), aligned=self._is_aligned)

    def _repr_html_(self) -> str:
        """Show title and rows as HTML, which notebooks ask for."""
        return as_html(*_shown(self))


def _shown(thing: Displayed) -> tuple[str, list[Row]]:
    """Ask for title and rows, as far as they can be given: a debugger shows half-made objects."""
    title, rows = type(thing).__name__, list[Row]()
    try:
        title = thing._title()
        rows.extend(thing._rows())  # keeps those that came before an error
    except Exception as error:  # noqa: BLE001  (who prints an object wants to see what there is)
        rows.append(("incomplete", f"{type(error).__name__}: {error}"))
    return title, rows


def as_text(title: str, rows: Iterable[Row], *, aligned: bool = True, stream: TextIO | None = None) -> str:
    """Write a title and rows below it as text.

    Args:
        title: The title.
        rows: The rows.
        aligned: Whether texts begin in one column, rather than behind their label and a colon.
        stream: Where it is to be shown, for the width; by default the standard output.

    Example:
        >>> from lumin_core.display import as_text
        >>> print(as_text("Cut", [("left", "12 events"), ("at", "0.6")]))
        Cut
          left  12 events
          at    0.6
        >>> print(as_text("Cuts", [("0", "12 events")], aligned=False))
        Cuts
          0: 12 events
    """
    rows, columns = list(rows), width(stream)
    size = max((len(label) for label, _ in rows), default=0)
    lines = wrapped(title, columns)
    for label, text in rows:
        start = f"  {label:<{size}}  " if aligned else f"  {label}: "
        lines += wrapped(text, columns, start, " " * (len(start) if aligned else 4))
    return "\n".join(lines)


def as_html(title: str, rows: Iterable[Row]) -> str:
    """Write a title and rows as an HTML table; all text is escaped.

    Args:
        title: The title.
        rows: The rows.

    Example:
        >>> from lumin_core.display import as_html
        >>> print(as_html("Cut", [("at", "x < 1")]))
        <div><strong>Cut</strong><table>
        <tr><th style="text-align: left">at</th><td style="text-align: left">x &lt; 1</td></tr>
        </table></div>
    """
    cells = [(escape(label), escape(text.replace(_NO_BREAK, " "))) for label, text in rows]
    lines = [f"<tr><th{_LEFT}>{label}</th><td{_LEFT}>{text}</td></tr>" for label, text in cells]
    return "\n".join([f"<div><strong>{escape(title)}</strong><table>", *lines, "</table></div>"])


def width(stream: TextIO | None = None) -> int:
    """Return how many columns a line may have.

    Args:
        stream: Where it is to be shown; by default the standard output.

    Returns:
        The columns of the terminal, 40 to 100; 80 where there is none, as in pipes and notebooks.
    """
    is_terminal = _is_terminal(sys.stdout if stream is None else stream)
    columns = shutil.get_terminal_size((_USUAL, 24)).columns if is_terminal else _USUAL
    return min(max(columns, _NARROWEST), _WIDEST)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):  # it is no file, or closed
        return False


def wrapped(text: str, columns: int, first: str = "", rest: str = "    ") -> list[str]:
    """Wrap a text into lines; a word that is wider than a line, such as a path, is broken.

    Args:
        text: The text.
        columns: The width of a line.
        first: What the first line begins with.
        rest: What the others begin with.

    Example:
        >>> from lumin_core.display import wrapped
        >>> wrapped("the cut leaves 12 events", 16, "left: ", "      ")
        ['left: the cut', '      leaves 12', '      events']
    """
    lines = textwrap.wrap(text, columns, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return [line.replace(_NO_BREAK, " ") for line in lines] or [first.rstrip()]


def folded(text: str, stream: TextIO | None = None) -> str:
    """Fold a message where it goes to a terminal; elsewhere a message stays one line.

    Paths, commands to be copied and quoted names are not broken, nor are lines that begin with a
    blank, such as those that point at something.

    Args:
        text: The message, of one line or more.
        stream: Where it is to be shown, for the width; by default the standard output.

    Example:
        >>> from lumin_core.display import folded
        >>> folded("there is no file a.root; did you mean 'b.root'?")
        "there is no file a.root; did you mean 'b.root'?"
    """
    if not _is_terminal(sys.stdout if stream is None else stream):
        return text.replace(_NO_BREAK, " ")
    return "\n".join(part for line in text.split("\n") for part in _folded(line, width(stream)))


def _folded(line: str, columns: int) -> list[str]:
    """Fold a line, unless it is laid out already."""
    if len(line) <= columns or line.startswith(" "):
        return [line.replace(_NO_BREAK, " ")]
    kept = _KEPT.sub(lambda found: whole(found[0]) if len(found[0]) < columns - 2 else found[0], line)
    lines = textwrap.wrap(kept, columns, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    return [part.replace(_NO_BREAK, " ") for part in lines]


# How things are written


def whole(text: str) -> str:
    """Keep a text in one line where a row is wrapped, such as a name with its value.

    Example:
        >>> from lumin_core.display import as_text, whole
        >>> as_text("A title", [("mean", whole("loss 0.4"))]).splitlines()
        ['A title', '  mean  loss 0.4']
    """
    return text.replace(" ", _NO_BREAK)


def count(number: int, noun: str) -> str:
    """Write a number of things.

    Example:
        >>> from lumin_core.display import count
        >>> count(1, "model"), count(2000, "event")
        ('1 model', '2,000 events')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counted(names: Sequence[str], most: int = 6) -> str:
    """Count and list names; of many the first alone; nothing where there are none.

    Example:
        >>> from lumin_core.display import counted
        >>> counted(["pt", "eta", "phi"], most=2)
        '3: pt, eta and 1 more'
    """
    return f"{len(names)}: {listed(names, most)}" if names else ""


def component(spec: object) -> str:
    """Write the specification of a component, with its options, in a line.

    Args:
        spec: A name, a dict with one, a class, a partial, or an object.

    Example:
        >>> from lumin_core.display import component
        >>> component({"name": "tabular/fully_connected", "depth": 4, "act": {"name": "core/relu"}})
        'tabular/fully_connected: depth 4, act core/relu'
    """
    name, options = _taken_apart(spec)
    written = ", ".join(f"{key} {_value(value)}" for key, value in options.items())
    return f"{name}: {written}" if written else name


def name_of(thing: object) -> str:
    """Name a class, a function or a partial; of any other object, its class.

    Example:
        >>> from lumin_core.display import name_of
        >>> name_of(dict), name_of(len), name_of(3)
        ('dict', 'len', 'int')
    """
    if isinstance(thing, partial):
        return name_of(thing.func)
    found = getattr(thing, "__qualname__", None)
    return found if isinstance(found, str) else type(thing).__name__


def _taken_apart(spec: object) -> tuple[str, Mapping[str, object]]:
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and "name" in spec:
        return component(spec["name"]), {key: value for key, value in spec.items() if key != "name"}
    return name_of(spec), spec.keywords if isinstance(spec, partial) else {}


def _value(value: object) -> str:
    """Write an option: of many values the first, of what has no short form its class."""
    if isinstance(value, list | tuple):
        return f"[{listed(map(_value, value), 6)}]" if value else "[]"
    if isinstance(value, Mapping):
        if "name" not in value:
            return f"{{{listed((f'{key}: {_value(entry)}' for key, entry in value.items()), 6)}}}"
        text = component(value)
        return f"({text})" if ": " in text else text
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None or isinstance(value, str | bool | int):
        return str(value)
    return component(value)


def short_path(path: Path) -> Path:
    """Return a path from the current folder, where it lies in it.

    Example:
        >>> from pathlib import Path
        >>> from lumin_core.display import short_path
        >>> short_path(Path.cwd() / "run" / "ensemble.safetensors").as_posix()
        'run/ensemble.safetensors'
    """
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
