"""Sphinx's part: it writes the pages of the reference, links names, and sets formulas as MathML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import components
import faces
import gallery
from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

TOP_LEVEL = {"class", "exception", "function", "data"}
"""What a name without its class may mean; methods of that name there are many."""


def write_pages(app: Sphinx) -> None:
    """Write what has changed, and remove pages of what there is no more."""
    pages = components.pages() | faces.pages(f"{components.GENERATED}/python")
    root = Path(app.srcdir)
    for old in (root / components.GENERATED).rglob("*.*"):
        if old.suffix != ".png" and old.relative_to(root).as_posix() not in pages:
            old.unlink()
    for name, text in pages.items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def show_gallery(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put pictures into the gallery, when its page is read."""
    if docname == "docs/gallery":
        for name in gallery.names():
            app.env.note_dependency(str(gallery.FOLDER / f"{name}.py"))
        source[0] = "".join(gallery.with_pictures(source[0], Path(app.srcdir) / "docs"))


def find_page(env: BuildEnvironment, name: str) -> tuple[str, str, str] | None:
    """Find where a name is described: the page, the place in it, and the whole name."""
    if component := components.by_name().get(name):
        return components.page_of(component), "", component.qualified
    known = env.domains.python_domain.objects.items()
    found = [(full, entry) for full, entry in known if full.endswith(f".{name}") and entry.objtype in TOP_LEVEL]
    if not found:
        return None
    full, entry = min(found, key=lambda each: each[0].count("."))
    return entry.docname, entry.node_id, full


def link_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element) -> nodes.Element | None:
    """Link a name between single backticks of a docstring; one that has no page is code alone."""
    page = find_page(env, node["reftarget"]) if node.get("reftype") == "obj" else None
    return page and make_refnode(app.builder, node["refdoc"], page[0], page[1], text, page[2])


def link_code(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link code in a line of a Markdown page that is nothing but a name.

    Plain words are left alone: they may mean another thing.
    """
    if app.env.doc2path(docname).suffix != ".md":
        return
    for code in list(doctree.findall(nodes.literal)):
        name = re.sub(r"^lumin_[\w.]+\.", "", code.astext())
        is_free = not isinstance(code.parent, nodes.title | nodes.reference)
        is_name = name.isidentifier() and name != name.replace("_", "").lower()
        if is_free and is_name and (page := find_page(app.env, name)) and page[0] != docname:
            code.replace_self(make_refnode(app.builder, docname, page[0], page[1], code.deepcopy(), page[2]))


def shorten_navigation(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Show in the side bar the pages below the current one alone.

    All of them take half of a build's time.
    """
    whole = context["toctree"]
    context["toctree"] = lambda **options: whole(**options | {"collapse": True})


def inline_math(writer: HTML5Translator, node: nodes.math) -> None:
    """Set a formula in a line."""
    writer.body.append(as_mathml(node))
    raise nodes.SkipNode


def block_math(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Set a formula that stands by itself."""
    writer.body.append(f'<div class="math">{as_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def as_mathml(node: nodes.Node, *, as_block: bool = False) -> str:
    """Write a formula as MathML, which browsers set without scripts from elsewhere."""
    formula = re.sub(r"\\[Bb]ig[lr]?(?![a-z])", "", node.astext())  # browsers stretch parentheses themselves
    try:
        return str(latex2mathml.tex2mathml(formula, as_block=as_block))
    except MathError as error:
        logger.warning("a formula cannot be set: %s", error, location=node)
        return formula


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in the build."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", show_gallery)
    app.connect("missing-reference", link_name)
    app.connect("doctree-resolved", link_code)
    app.connect("html-page-context", shorten_navigation, priority=100)  # before the theme asks for it
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
