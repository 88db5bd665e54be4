"""Sphinx's part: it writes the pages of the reference, links names, and sets formulas as MathML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import reference
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


def write_pages(app: Sphinx) -> None:
    """Write what has changed, and remove pages of what there is no more."""
    pages = reference.pages()
    root = Path(app.srcdir)
    for old in (root / reference.GENERATED).rglob("*.*"):
        if old.relative_to(root).as_posix() not in pages:
            old.unlink()
    for name, text in pages.items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def link_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element) -> nodes.Element | None:
    """Link a name between single backticks to its page; one that has none is code alone."""
    if node.get("reftype") != "obj":
        return None
    name = node["reftarget"]
    for component in reference.by_object_name().get(name, ()):
        return make_refnode(app.builder, node["refdoc"], reference.page_of(component), None, text)
    domain = env.domains.python_domain
    found = [(full, entry) for full, entry in domain.objects.items() if full.endswith(f".{name}")]
    if not found:
        return None
    full, entry = min(found, key=lambda each: each[0].count("."))
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, text, full)


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
    app.connect("missing-reference", link_name)
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
