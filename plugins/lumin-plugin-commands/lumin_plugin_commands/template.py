"""Templates: the component of each kind that a new plugin begins with, with names of its own.

A template is a module with one component, whose docstring has an example that uses it by name. It
is found by the entry point of its kind in the group ``lumin.templates``, read as text, and not
imported.
"""

from __future__ import annotations

import ast
import inspect
import re
from doctest import DocTestParser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lumin_core import registry
from lumin_core.checks import listed
from lumin_core.errors import ConfigError, UnknownComponent

if TYPE_CHECKING:
    from lumin_core.registry import Kind


class Part(NamedTuple):
    """A component that a new plugin has.

    Attributes:
        kind: Its kind.
        name: Its name, ``"maxout_body"``.
        attribute: Its class or function, ``"MaxoutBody"``.
        module: Name of the module that it is in.
        source: The module.

    Example:
        >>> from lumin_core.registry import find_kind
        >>> from lumin_plugin_commands.template import template_of
        >>> template_of(find_kind("body"), "maxout").attribute
        'MaxoutBody'
    """

    kind: Kind
    name: str
    attribute: str
    module: str
    source: str

    @property
    def docstring(self) -> str:
        """The docstring of the class or function; empty where it has none."""
        for node in ast.parse(self.source).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == self.attribute:
                return inspect.cleandoc(ast.get_docstring(node) or "")
        return ""

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring, in a line."""
        first = self.docstring.partition("\n\n")[0].replace("\n", " ")
        return first or f"A component of the kind {self.kind.plural}."

    def use(self) -> list[tuple[str, str]]:
        """Return the statements of the docstring's example, each with what it shows."""
        examples = DocTestParser().get_examples(self.docstring)
        return [(example.source.rstrip("\n"), example.want.rstrip("\n")) for example in examples]


def template_of(kind: Kind, stem: str) -> Part:
    """Return the component that a new plugin begins with, under the plugin's name.

    Args:
        kind: The kind.
        stem: What the component is called after.

    Raises:
        UnknownComponent: If nothing that is installed has a template for the kind.

    Example:
        >>> from lumin_core.registry import find_kind
        >>> from lumin_plugin_commands.template import template_of
        >>> template_of(find_kind("heads"), "maxout").name
        'maxout_head'
    """
    entries = {entry.name: entry for entry in registry.beside("templates")}
    if kind.plural not in entries:
        raise UnknownComponent(
            f"there is no template for {kind.plural}: the plugin that declares the kind has no entry point "
            f"{kind.plural!r} in the group 'lumin.templates'; there are {listed(entries, 40)}. "
            f"Write the component into a file, and give it with --from"
        )
    module, _, attribute = entries[kind.plural].value.partition(":")
    source = _source(module, entries[kind.plural].distribution)
    called = class_name(f"{stem}_{kind.singular}")
    name = registry.snake_case(called)
    old = registry.snake_case(attribute)
    dashed = (old.replace("_", "-"), name.replace("_", "-"))
    for was, now in ((attribute, called if attribute != old else name), (old, name), dashed):
        source = re.sub(rf"\b{was}\b", now, source)
    return Part(kind, name, called if attribute != old else name, kind.singular, source)


def class_name(name: str) -> str:
    """Return a name as a class is called.

    Example:
        >>> from lumin_plugin_commands.template import class_name
        >>> class_name("maxout-2d_body")
        'Maxout2dBody'
    """
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[-_.]+", name) if word)


def _source(module: str, distribution: str) -> str:
    try:
        spec = find_spec(module)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"{distribution} says that a template is in {module}, which is not there; report it to its authors"
        )
    return Path(spec.origin).read_text(encoding="utf-8")
