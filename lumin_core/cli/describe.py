"""``lumin describe``: one component's docstring, signature and origin, or a kind's contract."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

import click

from lumin_core.cli.plain_text import plain_text
from lumin_core.display import as_text, name_of, width, wrapped
from lumin_core.registry import find, find_kind
from lumin_core.testing.shipped import shipped_checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.registry import Component

_MARGINS = " " * 4, " " * 8
_PREFIXES = ("collections.abc.", "typing.")  # of annotations, which are read without


@click.command("describe")
@click.argument("kind")
@click.argument("name", required=False)
def describe(kind: str, name: str | None) -> None:
    """Show one component, or what a kind asks for.

    KIND is the kind, head or heads; NAME the name, bare or qualified (tabular/cat_emb_head).
    Of a component it shows what it does, its options, where it is from.
    """
    if name is None:
        find_kind(kind)  # an unknown one is told before torch is imported
        from lumin_core.cli.contract import contract_of

        click.echo(contract_of(kind))
        return
    component = find(kind, name)
    loaded = component.load()
    click.echo("\n\n".join([_header(component), _signature(component.name, loaded), _docstring(loaded)]))


def _header(component: Component) -> str:
    version = f" {component.version}" if component.version else ""
    rows = [("kind", component.kind), ("from", component.distribution + version), ("at", component.value)]
    if checks := shipped_checks(component.distribution, component.kind, component.qualified):
        rows.append(("checks", checks))
    return as_text(component.qualified, rows)


def _signature(name: str, loaded: Callable[..., object]) -> str:
    """Write one option a line, with its annotation and default."""
    try:
        parameters = inspect.signature(loaded).parameters.values()
    except ValueError:
        return f"{name}(...)"
    if not parameters:
        return f"{name}()"
    lines = [line for option in map(_option, parameters) for line in wrapped(f"{option},", width(), *_MARGINS)]
    return "\n".join([f"{name}(", *lines, ")"])


def _option(parameter: inspect.Parameter) -> str:
    """Write an option: its annotation as in the source, its default by name."""
    bare = parameter.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty)
    annotation, default = parameter.annotation, parameter.default
    text = str(bare)
    if annotation is not inspect.Parameter.empty:
        text += f": {annotation_as_text(annotation)}"
    if default is inspect.Parameter.empty:
        return text
    return f"{text} = {default_as_text(default)}" if ": " in text else f"{text}={default_as_text(default)}"


def annotation_as_text(annotation: object) -> str:
    """Write an annotation as in the source, without the modules of what it names.

    Example:
        >>> from lumin_core.cli.describe import annotation_as_text
        >>> annotation_as_text("collections.abc.Sequence[str]")
        'Sequence[str]'
    """
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    for prefix in _PREFIXES:
        text = text.replace(prefix, "")
    return text


def default_as_text(value: object) -> str:
    """Write a default: classes and functions by name, what has no text of its own by its class.

    Example:
        >>> from functools import partial
        >>> from lumin_core.cli.describe import default_as_text
        >>> default_as_text([len, partial(int, base=8)])
        '[len, partial(int, base=8)]'
    """
    if isinstance(value, type) or inspect.isroutine(value):
        return name_of(value)
    if isinstance(value, partial):
        options = "".join(f", {key}={default_as_text(option)}" for key, option in value.keywords.items())
        return f"partial({default_as_text(value.func)}{options})"
    if isinstance(value, list | tuple) and type(value) in (list, tuple):  # not what is derived from them
        return _sequence(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {default_as_text(entry)}" for key, entry in value.items()) + "}"
    return f"{name_of(value)}()" if " at 0x" in repr(value) else repr(value)


def _sequence(values: list[object] | tuple[object, ...]) -> str:
    inner = ", ".join(map(default_as_text, values))
    if isinstance(values, list):
        return f"[{inner}]"
    return f"({inner},)" if len(values) == 1 else f"({inner})"


def _docstring(loaded: object) -> str:
    docstring = inspect.getdoc(loaded.func if isinstance(loaded, partial) else loaded)
    return plain_text(docstring, width()) if docstring else "(no docstring)"
