"""Whether a component can be used.

``lumin list-plugins --check`` and the contract tests ask this of each.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from lumin_core.errors import LuminError
from lumin_core.registry.component import Component, load_object
from lumin_core.registry.lookup import find_kind, kinds
from lumin_core.registry.scan import KIND_DECLARATION


def check(component: Component) -> str | None:
    """Import a component and say what is wrong with it.

    Returns:
        None if it can be imported, is callable, a concrete subclass of its kind's base class, and
        takes keywords; else the reason.

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
        base = find_kind(component.kind).load_base()
    except LuminError as error:
        return str(error)
    return _problem(loaded.func if isinstance(loaded, partial) else loaded, base)


def _declaration_problem(component: Component) -> str | None:
    kind = next(kind for kind in kinds() if kind.plural == component.name)
    kind.load_base()
    said = getattr(load_object(component.value, component.qualified), "kind", None)
    return None if said == kind.singular else f"{component.value} should say kind = {kind.singular!r}, got {said!r}"


def _problem(target: Any, base: type | None) -> str | None:
    if not callable(target):
        return f"it is not callable: {target!r}"
    if base is not None and not (isinstance(target, type) and issubclass(target, base)):
        return f"it is no subclass of {base.__module__}.{base.__qualname__}: {target!r}"
    if inspect.isabstract(target):
        return f"it is abstract; missing are {', '.join(sorted(target.__abstractmethods__))}"
    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError as error:
        return f"its signature cannot be read: {error}"
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if by_position and isinstance(target, type):
        return f"it takes {', '.join(by_position)} by position only"
    return None
