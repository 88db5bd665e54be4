"""Docstrings as plain text for a terminal: no markup, wrapped; examples stay as they are.

reST's and Markdown's backticks, roles, links and directives go, and what they were about stays.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lumin_core.cli.formula import formula
from lumin_core.display import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECTION = re.compile(r"(Args|Arguments|Attributes|Keyword Args|Raises|Warns):$")  # whose lines are items
_BULLET = re.compile(r"([-*+]|\d+\.|\[\d+\]) ")
_TARGET = re.compile(r"^ *\.\. _`?((?:\\:|[^:`])+)`?:\s*(\S+)[ \t]*$", re.MULTILINE)  # where a link leads
_DIRECTIVE = re.compile(r"\.\. (?P<name>[\w-]+)::\s*(?P<rest>.*)$")
_VERBATIM = ("code", "code-block", "sourcecode", "math", "image", "figure")
_MARKUP = [
    (r":[\w:+-]+:`([^`<]*?)\s*<[^`>]*>`", r"\1"),  # a role with a title
    (r":[\w:+-]+:`[~!]?([^`]*)`", r"\1"),
    (r"``(.+?)``", r"\1"),
    (r"`([^`<]+?)\s*<(\S+?)>`_{1,2}", r"\1 (\2)"),
    (r"!?\[([^][]+)\]\((\S+?)\)", r"\1 (\2)"),
    (r"`([^`]+)`", r"\1"),
    (r"(?<![\w\\*])\*\*([^\s*]|[^\s*][^*]*?[^\s*])\*\*(?![\w*])", r"\1"),
    (r"(?<![\w\\*])\*([^\s*]|[^\s*][^*]*?[^\s*])\*(?![\w*])", r"\1"),
    (r"(\[\d+\])_\b", r"\1"),
    (r"\\([_*`|:])", r"\1"),
]


def plain_text(docstring: str, columns: int) -> str:
    r"""Write a docstring as plain text.

    Args:
        docstring: The docstring, less its indentation.
        columns: The width of a line; code, which is not wrapped, may be wider.

    Example:
        >>> from lumin_core.cli.plain_text import plain_text
        >>> print(plain_text("By :math:`\\sigma`, as `Results` do.\n\nArgs:\n    w: ``1``.", 60))
        By σ, as Results do.
        <BLANKLINE>
        Args:
            w: 1.
    """
    for name, url in _TARGET.findall(docstring):
        link = " ".join(name.replace("\\", "").split())
        found = r"\s+".join(map(re.escape, link.split()))  # at the end of a line, it goes on in the next
        docstring = re.sub(rf"`{found}`_|\b{found}_\b", f"{link} ({url})", docstring)
    return _Writer(columns).written(_TARGET.sub("", docstring).splitlines())


def without_markup(text: str) -> str:
    """Take the markup out of a paragraph.

    Example:
        >>> from lumin_core.cli.plain_text import without_markup
        >>> without_markup("``lr`` of `Adam <https://arxiv.org/abs/1412.6980>`_, :class:`~a.Adam`")
        'lr of Adam (https://arxiv.org/abs/1412.6980), a.Adam'
    """
    text = re.sub(r":math:`([^`]*)`", lambda found: formula(found[1]), text)
    for pattern, plain in _MARKUP:
        text = re.sub(pattern, plain, text)
    return text


class _Writer:
    """Goes through the lines, and writes paragraph by paragraph."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[str] = []
        self.paragraph: list[str] = []
        self.is_item = False  # whether the paragraph's further lines are indented
        self.is_code = False
        self.items_at: int | None = None  # the indentation at which every line is an item: an argument, say
        self.verbatim_in: int | None = None  # the indentation of what has verbatim lines below it
        self.is_math = False
        self.math: list[str] = []

    def written(self, lines: Iterable[str]) -> str:
        for line in lines:
            self._take(line.rstrip())
        self._flush()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self.lines).strip("\n"))

    def _take(self, line: str) -> None:
        text, margin = line.lstrip(), _margin(line)
        if not text:
            self._flush()
            self.is_code = False
            self.lines.append("")
        elif self.verbatim_in is not None and margin > self.verbatim_in:
            (self.math if self.is_math else self.lines).append(line)
        elif self.is_code or text.startswith(">>>"):
            self._flush()
            self.is_code = True
            self.lines.append(line)
        elif not self._takes_directive(text, margin):
            self._take_prose(line, text, margin)

    def _takes_directive(self, text: str, margin: int) -> bool:
        self.verbatim_in = None
        if self.items_at is not None and margin < self.items_at:
            self.items_at = None
        found = _DIRECTIVE.match(text)
        if found is None:
            return False
        self._flush()
        name, rest = found["name"], found["rest"]
        if name in _VERBATIM:
            self.verbatim_in, self.is_math = margin, name == "math"
            self.math += [" " * (margin + 4) + rest] if rest and self.is_math else []
        else:
            self.paragraph, self.is_item = [f"{'':<{margin}}{name.capitalize()}: {rest}"], True
        return True

    def _take_prose(self, line: str, text: str, margin: int) -> None:
        starts_item = margin == self.items_at or bool(_BULLET.match(text))
        if starts_item or not self._goes_on(margin):
            self._flush()
            self.is_item = starts_item
        self.paragraph.append(line)
        if _SECTION.match(text):
            self._flush()
            self.items_at = margin + 4
        if text.endswith("::") and " " in text:  # not "Examples::"
            self._flush()
            self.verbatim_in, self.is_math = margin, False

    def _goes_on(self, margin: int) -> bool:
        """Tell whether a line of that indentation belongs to the paragraph."""
        if not self.paragraph:
            return False
        first = _margin(self.paragraph[0])
        if len(self.paragraph) > 1:
            return margin == _margin(self.paragraph[-1])
        return margin > first if self.is_item else margin == first

    def _flush(self) -> None:
        self.lines += [line.rstrip() for line in formula("\n".join(self.math)).splitlines() if line.strip()]
        self.math = []
        if not self.paragraph:
            return
        text = without_markup(" ".join(line.strip() for line in self.paragraph))
        text = text.removesuffix(":") if text.endswith("::") else text
        first = _margin(self.paragraph[0])
        rest = min(_margin(self.paragraph[1]), first + 4) if len(self.paragraph) > 1 else first + 4 * self.is_item
        if text != ":":  # which alone announces what is verbatim
            self.lines += wrapped(text, self.columns, " " * first, " " * rest)
        self.paragraph, self.is_item = [], False


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())
