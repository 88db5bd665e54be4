"""Docstrings of Google's style as reStructuredText, and signatures as `lumin describe` has them.

What stands between the sections of our docstrings is reStructuredText already. Nothing here needs
Sphinx.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, NamedTuple

from lumin_core.cli.describe import annotation_as_text, default_as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEADING = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|References):$")
ITEM = re.compile(r"^(\*{0,2}\w[\w., ]*): (.*)$")
TITLES = {"References": "Sources"}


class Option(NamedTuple):
    """A parameter: its type and default as text, and what the docstring says of it."""

    name: str
    annotation: str
    default: str | None
    text: str


class Docstring(NamedTuple):
    """A docstring: its first sentence, what follows it, and its sections by their headings."""

    summary: str
    body: str
    sections: dict[str, str]

    @property
    def arguments(self) -> dict[str, str]:
        """What is said of each argument."""
        return dict(items(self.sections.get("Args", "")))


def parse(text: str) -> Docstring:
    """Cut a docstring into its parts."""
    parts: dict[str, list[str]] = {"": []}
    heading = ""
    for line in inspect.cleandoc(text).splitlines():
        if match := HEADING.match(line):
            heading = match[1]
        parts.setdefault(heading, []).append("" if match else line)
    head = "\n".join(parts.pop("")).strip()
    summary, _, body = head.partition("\n\n")
    return Docstring(summary, body.strip(), {name: inspect.cleandoc("\n".join(part)) for name, part in parts.items()})


def items(section: str) -> list[tuple[str, str]]:
    """List the entries of a section, ``name: text`` with further lines indented."""
    found: list[tuple[str, list[str]]] = []
    for line in section.splitlines():
        if match := ITEM.match(line):
            found.append((match[1], [match[2]]))
        elif found:
            found[-1][1].append(line)
    return [(name, inspect.cleandoc("\n".join(lines))) for name, lines in found]


def options(constructor: object, arguments: dict[str, str]) -> list[Option]:
    """List the parameters of a constructor, in their order; none where it does not tell them."""
    try:
        parameters = inspect.signature(constructor).parameters.values()  # type: ignore[arg-type]
    except ValueError:
        return []
    return [
        Option(
            p.name,
            "" if p.annotation is p.empty else annotation_as_text(p.annotation),
            None if p.default is p.empty else default_as_text(p.default),
            arguments.get(p.name, ""),
        )
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def as_rst(doc: Docstring, title: Callable[[str], str], *, skip: Sequence[str] = ()) -> str:
    """Write the sections, each below its title; those of arguments belong to the signature."""
    shown = {name: section for name, section in doc.sections.items() if name not in ("Args", *skip)}
    return "\n\n".join(f"{title(TITLES.get(name, name))}\n\n{_section(name, text)}" for name, text in shown.items())


def _section(name: str, text: str) -> str:
    if name == "Raises":
        return definitions([(f"`{error}`", what) for error, what in items(text)])
    if name == "Attributes":
        return definitions([(f"``{attribute}``", what) for attribute, what in items(text)])
    return _example(text) if name == "Example" else text


def definitions(entries: list[tuple[str, str]]) -> str:
    """Write a list of terms, each with its text below it."""
    return "\n\n".join(f"{term}\n{indented(text or '..')}" for term, text in entries)


def _example(text: str) -> str:
    """Write an example as a block of code; what stands before its first prompt is text."""
    before, prompt, code = text.partition(">>> ")
    return f"{before.strip()}\n\n.. code-block:: pycon\n\n{indented(prompt + code)}" if prompt else text


def rubric(title: str) -> str:
    """Write a title that is not in the table of contents."""
    return f".. rubric:: {title}"


def heading(title: str, line: str = "=") -> str:
    """Write the title of a page."""
    return f"{title}\n{line * len(title)}"


def section(title: str) -> str:
    """Write the title of a part of a page."""
    return heading(title, "-")


def indented(text: str) -> str:
    """Indent each line that is not empty."""
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
