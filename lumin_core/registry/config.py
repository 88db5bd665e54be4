"""Specifications as plain values, for configs that are saved.

Qualified names stand instead of classes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.registry.lookup import components, find, find_kind
from lumin_core.registry.names import with_article

if TYPE_CHECKING:
    from lumin_core.registry.component import Component


class UnnamedComponent(ConfigError):
    """Something in a specification has no registered name, so that a config cannot hold it.

    Example:
        >>> from lumin_core.registry import UnnamedComponent, to_config
        >>> class Mine: ...
        >>> try:
        ...     to_config("callback", Mine)
        ... except UnnamedComponent as error:
        ...     print(str(error).partition(";")[0])
        Mine has no registered name
    """


def component_of(obj: object, kind: str | None = None) -> Component | None:
    """Find the component that an object is.

    No other package than the object's own is imported.

    Args:
        obj: A class or a function.
        kind: Where to look; None for every kind.

    Example:
        >>> import torch
        >>> from lumin_core.registry.config import component_of
        >>> component_of(torch.optim.Adam).qualified
        'core/adam'
    """
    for component in components(kind):
        if component.problem is None and _is(component, obj):
            return component
    return None


def title(kind: str, obj: object) -> str:
    """Say in a message what an object is: its kind, and its component's name or its class.

    Args:
        kind: The kind, in the singular.
        obj: An object that was built, or a function.

    Example:
        >>> import torch
        >>> from lumin_core.registry.config import title
        >>> title("loss", torch.nn.MSELoss())
        "the loss 'core/mse_loss'"
    """
    made_of = obj if inspect.isroutine(obj) else type(obj)
    component = component_of(made_of, kind)
    return f"the {kind} {component.qualified if component else made_of.__qualname__!r}"


def _is(component: Component, obj: object) -> bool:
    if component.obj is not None:
        return component.obj is obj
    module, _, attribute = component.value.partition(":")
    same_package = module.partition(".")[0] == str(getattr(obj, "__module__", "")).partition(".")[0]
    if module not in sys.modules and not (same_package and attribute == getattr(obj, "__qualname__", None)):
        return False
    try:
        return component.load() is obj
    except BrokenPlugin:  # another component's trouble: nobody asked for that one
        return False


def qualified_name(cls: object) -> str | None:
    """Return the qualified name of a class or function, or None if it is not registered.

    Example:
        >>> import torch
        >>> from lumin_core.registry import qualified_name
        >>> qualified_name(torch.nn.ReLU), qualified_name(torch.nn.Linear)
        ('core/relu', None)
    """
    component = component_of(cls)
    return component.qualified if component else None


def to_config(kind: str, spec: object) -> str | dict[str, object]:
    """Write a specification as plain values, which JSON and TOML hold.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        spec: As for `build`; not changed.

    Returns:
        The qualified name, or a dict with it under ``name`` beside the options. Classes and
        partials among the options become names and dicts, tuples lists, numpy's scalars Python's.

    Raises:
        UnnamedComponent: If something has no registered name or no plain form: an instance, a class
            of the user's, an array.
        UnknownComponent: If there is no component of that kind and name.
        AmbiguousComponent: If several distributions have the name.

    Example:
        >>> from functools import partial
        >>> import torch
        >>> from lumin_core.registry import to_config
        >>> to_config("optimiser", partial(torch.optim.Adam, betas=(0.9, 0.99)))
        {'name': 'core/adam', 'betas': [0.9, 0.99]}
    """
    known = find_kind(kind).singular
    if isinstance(spec, str):
        return find(known, spec).qualified
    if isinstance(spec, Mapping):
        if not isinstance(spec.get("name"), str):
            raise ConfigError(f"{with_article(known)} as a dict has its name under 'name', got {spec!r}")
        options = {key: value for key, value in spec.items() if key != "name"}
        return {"name": find(known, spec["name"]).qualified, **_plain_mapping(options)}
    return _plain_component(spec, known)


def _plain_component(spec: object, kind: str | None) -> str | dict[str, object]:
    """Write a class, a function or a partial; a registered partial has a name of its own."""
    component = component_of(spec, kind)
    if component is not None:
        return component.qualified
    if isinstance(spec, partial):
        if spec.args:
            raise ConfigError(f"a functools.partial in a config takes keywords only, got {spec!r}")
        inner = _plain_component(spec.func, kind)
        options = _plain_mapping(spec.keywords)
        return {"name": inner, **options} if isinstance(inner, str) else {**inner, **options}
    name = getattr(spec, "__qualname__", None) or repr(spec)
    raise UnnamedComponent(f"{name} has no registered name; register it, or put it into a plugin, to save it by name")


def _plain_mapping(options: Mapping[Any, object]) -> dict[str, object]:
    for key in options:
        if not isinstance(key, str):
            raise UnnamedComponent(f"the keys of a config are text, got {key!r} in {dict(options)!r}")
    return {key: _plain(value) for key, value in options.items()}


def _plain(value: object) -> object:
    """Write one option, recursively."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    for plain in (str, int, float):  # numpy's float64 and str_ are subclasses
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    item = getattr(value, "item", None)
    if getattr(value, "shape", None) == () and callable(item):
        return item()
    return _plain_component(value, None)
