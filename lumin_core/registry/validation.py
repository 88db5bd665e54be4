"""Whether a component can be used.

``lumin list-plugins --check`` and the contract tests ask this of each.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

from lumin_core.errors import LuminError
from lumin_core.registry.component import Component, load_object
from lumin_core.registry.lookup import find_kind, kinds
from lumin_core.registry.scan import KIND_DECLARATION

if TYPE_CHECKING:
    from lumin_core.registry.kind_table import Kind


def check(component: Component) -> str | None:
    """Import a component and say what is wrong with it.

    Returns:
        None if it can be imported, is callable, a concrete subclass of its kind's base class,
        takes keywords, and has what its kind asks of a class; else the reason.

    Example:
        >>> from lumin_core.registry import check, find
        >>> check(find("optimiser", "adam")) is None
        True
    """
    if component.problem is not None:
        return component.problem
    try:
        if component.kind == KIND_DECLARATION:
            return _declaration_problem(component)
        loaded = component.load()
        target, kind = loaded.func if isinstance(loaded, partial) else loaded, find_kind(component.kind)
        return _problem(target, kind) or kind.problem_of(target)
    except LuminError as error:
        return str(error)


def command_problem(command: object) -> str | None:
    """Say why something cannot be a command of ``lumin``, or None.

    Example:
        >>> import click
        >>> from lumin_core.registry.validation import command_problem
        >>> command_problem(click.Command("greet")) is None
        True
    """
    import click

    return None if isinstance(command, click.Command) else f"it should be a click command, got {command!r}"


def _declaration_problem(component: Component) -> str | None:
    kind = next(kind for kind in kinds() if kind.plural == component.name)
    kind.load_base()
    said = getattr(load_object(component.value, component.qualified), "kind", None)
    return None if said == kind.singular else f"{component.value} should say kind = {kind.singular!r}, got {said!r}"


def _problem(target: object, kind: Kind) -> str | None:
    if not callable(target):
        return f"it is not callable: {target!r}"
    if kind.base is not None and (lacking := kind.lacks(target)):
        return f"it is not {lacking}: {target!r}"
    if missing := sorted(getattr(target, "__abstractmethods__", ())):
        return f"it is abstract; missing are {', '.join(missing)}"
    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError as error:
        return f"its signature cannot be read: {error}"
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    return f"it takes {', '.join(by_position)} by position only" if by_position and isinstance(target, type) else None
