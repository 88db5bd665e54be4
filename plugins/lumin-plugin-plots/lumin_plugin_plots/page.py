"""A page of HTML with figures, tables and texts: it needs neither network nor script."""

from __future__ import annotations

import base64
import re
from html import escape
from importlib import resources
from itertools import zip_longest
from typing import TYPE_CHECKING

from attrs import define, field

from lumin_core.errors import ConfigError
from lumin_core.runs import Figure, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lumin_core.runs import Part

LARGEST = 2_000_000
"""Bytes of a page."""

_NOTES = 60_000  # of which so many are kept free for what is said in place of figures
_MIME = {"svg": "image/svg+xml", "png": "image/png"}
_NUMBER = re.compile(r"[-+−±]?\s*[\d.,]+(e[-+]?\d+)?( ?%)?( ± [\d.e+-]+)?( \(.*\))?|nan|inf|–", re.IGNORECASE)
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{subtitle}</p>
</header>
"""


@define(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        title: Its heading.
        parts: What is in it.
    """

    title: str
    parts: Sequence[Part] = field(factory=tuple)


def page(title: str, subtitle: str, sections: Iterable[Section]) -> str:
    """Return a page of HTML, with its contents at the top.

    Args:
        title: Its title.
        subtitle: What is said below.
        sections: What is in it; those of no parts are left out. All text is escaped.

    Returns:
        The page, of at most 2 MB: figures that would make it larger are left out, which is said in
        their place.

    Raises:
        ConfigError: If texts and tables alone are larger.

    Example:
        >>> from lumin_core.runs import Text
        >>> from lumin_plugin_plots.page import Section, page
        >>> text = page("A run", "of 3 models", [Section("Loss", [Text(text="x < 1")])])
        >>> '<h2 id="loss">Loss</h2>' in text, "x &lt; 1" in text
        (True, True)
    """
    shown = [section for section in sections if section.parts]
    names = _anchors([section.title for section in shown])
    style = resources.files("lumin_plugin_plots").joinpath("page.css").read_text(encoding="utf-8")
    pieces: list[str | Figure] = [_HEAD.format(title=escape(title), subtitle=escape(subtitle), style=style)]
    pieces += [_contents(shown, names)]
    for section, name in zip(shown, names, strict=True):
        pieces += [f'<section>\n<h2 id="{name}">{escape(section.title)}</h2>\n<div class="parts">\n']
        pieces += [part if isinstance(part, Figure) else _of_words(part) for part in section.parts]
        pieces += ["</div>\n</section>\n"]
    return _fitting([*pieces, "</main>\n</body>\n</html>\n"])


def _anchors(titles: Sequence[str]) -> list[str]:
    """Return a name for each title, all different."""
    names: list[str] = []
    for title in titles:
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        names.append(slug if slug not in names else f"{slug}-{len(names)}")
    return names


def _contents(sections: Sequence[Section], names: Sequence[str]) -> str:
    links = (f'<li><a href="#{name}">{escape(of.title)}</a></li>\n' for of, name in zip(sections, names, strict=True))
    return f'<nav aria-label="Contents"><ul>\n{"".join(links)}</ul></nav>\n<main>\n'


def _fitting(pieces: Sequence[str | Figure]) -> str:
    """Join the pieces of a page, and leave out the figures for which there is no room."""
    room = LARGEST - _NOTES - sum(len(piece.encode()) for piece in pieces if isinstance(piece, str))
    if room < 0:
        raise ConfigError(f"a page has at most {LARGEST / 1e6:g} MB, and texts and tables alone are larger")
    found = []
    for piece in pieces:
        text = piece if isinstance(piece, str) else _of_figure(piece)
        if isinstance(piece, Figure):
            text = text if len(text) <= room else _of_words(_left_out(piece))
            room -= len(text)
        found.append(text)
    return "".join(found)


def _left_out(figure: Figure) -> Text:
    return Text(title=figure.title, text="This figure is left out: with it the page would be larger than 2 MB.")


def _of_figure(figure: Figure) -> str:
    data = base64.b64encode(figure.image).decode()
    return (
        f'<figure><img alt="{escape(figure.title)}" src="data:{_MIME[figure.format]};base64,{data}">\n'
        f"<figcaption><strong>{escape(figure.title)}</strong>{_after(figure.caption)}</figcaption></figure>\n"
    )


def _of_words(part: Table | Text) -> str:
    if isinstance(part, Table):
        return _of_table(part)
    title = f"<h3>{escape(part.title)}</h3>\n" if part.title else ""
    paragraphs = [piece for piece in re.split(r"\n\n+", part.text.strip("\n")) if piece.strip()]
    return f'<div class="text">{title}{"".join(map(_paragraph, paragraphs))}</div>\n'


def _paragraph(text: str) -> str:
    lines = text.split("\n")
    if all(line.startswith("    ") for line in lines):
        code = "\n".join(line[4:] for line in lines)
        return f'<pre tabindex="0">{escape(code)}</pre>\n'
    return f"<p>{escape(text)}</p>\n"


def _of_table(table: Table) -> str:
    kind = "table" if table.header else "table labels"
    title = f'<p class="caption"><strong>{escape(table.title)}</strong>{_after(table.caption)}</p>\n'
    sets = [_set(_is_of_numbers(table, i)) for i in range(len(table.header))]
    header = "".join(f"<th{how}>{escape(of)}</th>" for of, how in zip(table.header, sets, strict=True))
    head = f"<thead><tr>{header}</tr></thead>\n" if table.header else ""
    rows = "".join(f"<tr>{_cells(row, sets)}</tr>\n" for row in table.rows)
    grid = f'<div class="{kind}" tabindex="0"><table>\n{head}<tbody>\n{rows}</tbody></table></div>'
    return f'<div class="block">\n{title}{grid}</div>\n'


def _cells(row: Sequence[str], sets: Sequence[str]) -> str:
    label, *others = row
    cells = [f"<td{how}>{escape(of)}</td>" for of, how in zip_longest(others, sets[1:], fillvalue="")]
    return f'<th scope="row">{escape(label)}</th>{"".join(cells)}'


def _is_of_numbers(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows]
    return column > 0 and bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def _set(to_the_right: bool) -> str:
    return ' class="number"' if to_the_right else ""


def _after(caption: str) -> str:
    return f" {escape(caption)}" if caption else ""
