"""``lumin describe``: one component's docstring, signature and origin."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

import click

from lumin_core.registry import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.registry import Component


@click.command("describe")
@click.argument("kind")
@click.argument("name")
def describe(kind: str, name: str) -> None:
    """Show one component: what it does, its options, where it is from.

    KIND is the kind, head or heads; NAME the name, bare or qualified (tabular/cat_emb_head).
    """
    component = find(kind, name)
    loaded = component.load()
    click.echo("\n\n".join([_header(component), _signature(component.name, loaded), _docstring(loaded)]))


def _header(component: Component) -> str:
    version = f" {component.version}" if component.version else ""
    lines = [("kind", component.kind), ("from", component.distribution + version), ("at", component.value)]
    return "\n".join([component.qualified, *(f"  {key:<4}  {value}" for key, value in lines)])


def _signature(name: str, loaded: Callable[..., object]) -> str:
    """Write one option a line, with its annotation and default."""
    try:
        parameters = inspect.signature(loaded).parameters.values()
    except ValueError:
        return f"{name}(...)"
    if not parameters:
        return f"{name}()"
    return "\n".join([f"{name}(", *(f"    {_option(parameter)}," for parameter in parameters), ")"])


def _option(parameter: inspect.Parameter) -> str:
    """Write an option; annotations that are kept as text are shown without quotes."""
    annotation = parameter.annotation
    return str(parameter).replace(repr(annotation), annotation, 1) if isinstance(annotation, str) else str(parameter)


def _docstring(loaded: object) -> str:
    return inspect.getdoc(loaded.func if isinstance(loaded, partial) else loaded) or "(no docstring)"
